//! Prints the access key ID that the Rust SDK's default chain finds.

use aws_credential_types::provider::ProvideCredentials;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let client = aws_smithy_http_client::Builder::new().build_http();
    let loaded = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(client).load().await;
    let found = loaded.credentials_provider().expect("a provider").provide_credentials().await.expect("credentials");
    println!("{}", found.access_key_id());
}
