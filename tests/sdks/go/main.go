// Prints the access key ID that the Go SDK's default chain finds, for each line that it reads. The chain stays, and so
// do its connections; what it has cached is dropped each time.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

func main() {
	ctx := context.Background()
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		loaded.Credentials.(*aws.CredentialsCache).Invalidate()
		found, err := loaded.Credentials.Retrieve(ctx)
		if err != nil {
			fmt.Println("failed:", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Println(found.AccessKeyID)
	}
}
