module client

go 1.13
