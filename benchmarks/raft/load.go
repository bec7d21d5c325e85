// load puts and reads small values in a closed loop, through etcd's own client or MeshNode's HTTP interface, and prints
// one line of JSON. The same program loads both, so that the generator costs both the same.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
)

type operation func(client, sequence int) error

func main() {
	target := flag.String("target", "", "etcd or meshnode")
	endpoints := flag.String("endpoints", "", "comma-separated; clients are spread over them")
	token := flag.String("token", "", "bearer token or API key (meshnode)")
	op := flag.String("op", "put", "put, get, or local: a get that one node answers by itself (etcd: serializable)")
	clients := flag.Int("clients", 1, "concurrent clients, one connection each")
	seconds := flag.Float64("seconds", 5, "how long")
	warmup := flag.Float64("warmup", 1, "seconds before counting starts")
	size := flag.Int("size", 256, "bytes of a value")
	keys := flag.Int("keys", 1000, "distinct keys")
	flag.Parse()

	list := strings.Split(*endpoints, ",")
	value := strings.Repeat("x", *size)
	var do operation
	switch *target {
	case "etcd":
		do = etcdOperation(list, *clients, *keys, *op, value)
	case "meshnode":
		do = meshOperation(list, *clients, *keys, *op, value, *token)
	default:
		fmt.Fprintln(os.Stderr, "-target is etcd or meshnode")
		os.Exit(2)
	}
	if *op != "put" {
		fill(*target, list, *keys, value, *token)
	}

	counting := time.Now().Add(time.Duration(*warmup * float64(time.Second)))
	end := counting.Add(time.Duration(*seconds * float64(time.Second)))
	spans := make([][]time.Duration, *clients)
	errors := make([]int, *clients)
	var lastError sync.Map
	var group sync.WaitGroup
	for client := 0; client < *clients; client++ {
		group.Add(1)
		go func(client int) {
			defer group.Done()
			for sequence := 0; ; sequence++ {
				start := time.Now()
				if start.After(end) {
					return
				}
				err := do(client, sequence)
				span := time.Since(start)
				if start.Before(counting) {
					continue
				}
				if err != nil {
					errors[client]++
					lastError.Store(err.Error(), true)
				} else {
					spans[client] = append(spans[client], span)
				}
			}
		}(client)
	}
	group.Wait()
	var all []time.Duration
	failed := 0
	for client := range spans {
		all = append(all, spans[client]...)
		failed += errors[client]
	}
	sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[int(share*float64(len(all)-1))].Microseconds()) / 1000
	}
	lastError.Range(func(key, _ any) bool { fmt.Fprintln(os.Stderr, "error:", key); return true })
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"target": *target, "op": *op, "clients": *clients, "value_bytes": *size, "seconds": *seconds,
		"operations": len(all), "per_second": float64(len(all)) / *seconds, "p50_ms": at(0.5), "p99_ms": at(0.99),
		"max_ms": at(1), "errors": failed,
	})
}

// fill gives reads something to find.
func fill(target string, endpoints []string, keys int, value, token string) {
	put := meshOperation(endpoints, 1, keys, "put", value, token)
	if target == "etcd" {
		put = etcdOperation(endpoints, 1, keys, "put", value)
	}
	for key := 0; key < keys; key++ {
		if err := put(0, key); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func etcdOperation(endpoints []string, clients, keys int, op, value string) operation {
	connections := make([]*clientv3.Client, clients)
	for client := range connections {
		connection, err := clientv3.New(clientv3.Config{
			Endpoints: []string{endpoints[client%len(endpoints)]}, DialTimeout: 3 * time.Second})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		connections[client] = connection
	}
	return func(client, sequence int) error {
		key := fmt.Sprintf("bench/%d", (client*7919+sequence)%keys)
		var err error
		switch op {
		case "put":
			_, err = connections[client].Put(context.Background(), key, value)
		case "local":
			_, err = connections[client].Get(context.Background(), key, clientv3.WithSerializable())
		default:
			_, err = connections[client].Get(context.Background(), key)
		}
		return err
	}
}

func meshOperation(endpoints []string, clients, keys int, op, value, token string) operation {
	connections := make([]*http.Client, clients)
	for client := range connections {
		connections[client] = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 10 * time.Second}
	}
	return func(client, sequence int) error {
		url := fmt.Sprintf("%s/mesh/v1/kv/bench-%d", endpoints[client%len(endpoints)], (client*7919+sequence)%keys)
		method, body := http.MethodGet, io.Reader(nil)
		switch op {
		case "put":
			method, body = http.MethodPut, strings.NewReader(value)
		case "local":
			url += "?consistency=local"
		}
		request, err := http.NewRequest(method, url, body)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := connections[client].Do(request)
		if err != nil {
			return err
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode/100 != 2 {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		return nil
	}
}
