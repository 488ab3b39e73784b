// Prints the access key ID that the Java SDK's default chain finds.
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;

public class Main {
    public static void main(String[] args) {
        try (var provider = DefaultCredentialsProvider.builder().build()) {
            System.out.println(provider.resolveCredentials().accessKeyId());
        }
    }
}
