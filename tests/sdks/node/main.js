// Prints the access key ID that the JavaScript SDK's default chain finds, for each line that it reads.
import { createInterface } from "node:readline";

import { defaultProvider } from "@aws-sdk/credential-provider-node";

for await (const _ of createInterface({ input: process.stdin })) {
  try {
    console.log((await defaultProvider()()).accessKeyId);
  } catch (reason) {
    console.log(`failed: ${reason.message.replaceAll("\n", " ")}`);
  }
}
