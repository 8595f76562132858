// nats-server with its WebSocket listener, without the TCP one that nobody uses here.
package main

import (
	"fmt"
	"log"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	options := &server.Options{
		Host: "127.0.0.1", Port: -1, NoSigs: true, MaxConn: 20000, PingInterval: 10 * time.Minute,
		Websocket: server.WebsocketOpts{Host: "127.0.0.1", Port: -1, NoTLS: true},
	}
	nats, err := server.NewServer(options)
	if err != nil {
		log.Fatal(err)
	}
	go nats.Start()
	if !nats.ReadyForConnections(10 * time.Second) {
		log.Fatal("not ready")
	}
	address, err := url.Parse(nats.WebsocketURL())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", address.Host)
	nats.WaitForShutdown()
}
