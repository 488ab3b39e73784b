// Prints the access key ID that the Java SDK's default chain finds, for each line that it reads.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.core.exception.SdkException;

public class Main {
    public static void main(String[] args) throws java.io.IOException {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            try (var provider = DefaultCredentialsProvider.builder().build()) {
                System.out.println(provider.resolveCredentials().accessKeyId());
            } catch (SdkException reason) {
                System.out.println("failed: " + reason.getMessage().replace('\n', ' '));
            }
        }
    }
}
