// Asks for credentials once, as Terraform's S3 backend does (its User-Agent, and what Go's transport adds), and prints
// the access key ID. Needs no other module, so that a very old Go builds it.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	request, err := http.NewRequest("GET", os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"), nil)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("User-Agent", "APN/1.0 HashiCorp/1.0 Terraform/1.11.4 (+https://www.terraform.io)")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Authorization", os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var found struct{ AccessKeyId string }
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil {
		log.Fatal(err)
	}
	fmt.Println(found.AccessKeyId)
}
