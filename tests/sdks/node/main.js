// Prints the access key ID that the JavaScript SDK's default chain finds.
import { defaultProvider } from "@aws-sdk/credential-provider-node";

console.log((await defaultProvider()()).accessKeyId);
