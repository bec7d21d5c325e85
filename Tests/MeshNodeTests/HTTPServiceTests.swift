import AsyncHTTPClient
import Foundation
import MeshNode
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NodeCore
import Primitives
import ServiceLifecycle
import Testing

@Suite("The service and the interface's files", .timeLimit(.minutes(1)))
struct HTTPServiceTests {
    private static let files = [
        "index.html": "<!doctype html><title>mesh</title>", "app.js": "'use strict'", "style.css": "a{}",
    ]

    @Test("a browser gets the interface, Ollama's clients their greeting, at the same place")
    func home() async throws {
        try await TestNode.run(files: Self.files) { node async throws in
            let page = try await node.get("/", ["Accept": "text/html,*/*"])
            #expect(page.status == 200 && page.body == Self.files["index.html"])
            #expect(page.fields["content-type"] == "text/html; charset=utf-8")
            for fields in [[:], ["Accept": "*/*"], ["Accept": "application/json"]] {
                let greeting = try await node.get("/", fields)
                #expect(greeting.status == 200 && greeting.body == "Ollama is running")
            }
            #expect(try await node.send("HEAD", "/").status == 200)
        }
    }

    @Test("files come with type, tag and policy, and 304 where the browser has them")
    func files() async throws {
        try await TestNode.run(files: Self.files) { node async throws in
            let script = try await node.get("/app.js")
            #expect(script.status == 200 && script.fields["content-type"] == "text/javascript; charset=utf-8")
            #expect(
                script.fields["content-security-policy"]?.hasPrefix("default-src 'none'; script-src 'self'") == true)
            #expect(script.fields["x-content-type-options"] == "nosniff")
            let tag = try #require(script.fields["etag"])
            #expect(try await node.get("/app.js", ["If-None-Match": tag]).status == 304)
            #expect(try await node.get("/app.js", ["If-None-Match": "\"other\""]).status == 200)
            #expect(try await node.get("/other.js").status == 404)
        }
    }

    @Test("a port in use is named, with who holds it, and nothing else happens")
    func portInUse() async throws {
        try await TestNode.run { node async throws in
            var http = NodeConfig.HTTP(listen: Endpoint(ipv4: 127, 0, 0, 1, port: UInt16(node.port)))
            http.allowedHosts = []
            let second = try await node.makeSecond(http)
            let failure = await #expect(throws: StartFailure.self) { try await second.run() }
            let text = failure?.description ?? ""
            #expect(text.contains("127.0.0.1:\(node.port) is already in use"))
            #if os(Linux)
                #expect(text.contains("pid \(ProcessInfo.processInfo.processIdentifier)"))
            #endif
        }
    }

    @Test("plain HTTP beyond loopback is refused unless networks are named", arguments: ["0.0.0.0", "192.0.2.1", "::"])
    func plainListening(_ host: String) async throws {
        try await TestNode.run { node async throws in
            var http = NodeConfig.HTTP(listen: Endpoint(host: host, port: 0)!)
            let failure = await #expect(throws: StartFailure.self) { _ = try await node.makeSecond(http) }
            #expect(failure?.description.contains("plain_networks") == true)
            http.plainNetworks = [Network("192.0.2.0/24")!]
            _ = try await node.makeSecond(http)
        }
    }

    @Test("half a TLS configuration, or files that are no PEM, fail the start by name")
    func tlsFiles() async throws {
        try await TestNode.run { node async throws in
            var http = NodeConfig.HTTP(listen: Endpoint(ipv4: 127, 0, 0, 1, port: 0))
            http.certificateFile = "/nonexistent/cert.pem"
            await #expect(throws: StartFailure.self) { _ = try await node.makeSecond(http) }
            http.privateKeyFile = "/nonexistent/key.pem"
            let failure = await #expect(throws: StartFailure.self) { _ = try await node.makeSecond(http) }
            #expect(failure?.description.contains("/nonexistent/cert.pem") == true)
        }
    }

    @Test("with a certificate the node speaks TLS, and its cookies are Secure")
    func tls() async throws {
        let folder = try TestFolder(["cert.pem": Self.certificate, "key.pem": Self.privateKey])
        try await TestNode.run(tls: folder) { node async throws in
            var client = HTTPClient.Configuration()
            client.tlsConfiguration = .makeClientConfiguration()
            client.tlsConfiguration?.certificateVerification = .none
            let https = HTTPClient(eventLoopGroupProvider: .singleton, configuration: client)
            var request = HTTPClientRequest(url: "https://127.0.0.1:\(node.port)/mesh/v1/auth/login")
            request.method = .POST
            request.headers.add(name: "X-Mesh-Client", value: "browser")
            request.body = .bytes(ByteBuffer(string: #"{"username":"ada","password":"\#(TestNode.adaPassword)"}"#))
            let reply = try await https.execute(request, timeout: .seconds(20))
            #expect(reply.status == .ok)
            #expect(reply.headers.first(name: "Set-Cookie")?.hasSuffix("; Secure") == true)
            _ = try await reply.body.collect(upTo: 1 << 16)
            try await https.shutdown()
            #expect(try await node.get("/health/live").status == 0)
        }
    }

    @Test("a graceful stop ends the event streams and lets go of the port")
    func gracefulStop() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            let (shown, show) = AsyncStream<Void>.makeStream()
            async let stream = node.send("GET", "/mesh/v1/events", fields) { text in
                if text.contains("event: status") { show.yield() }
                return false
            }
            for await _ in shown { break }
            await node.group.triggerGracefulShutdown()
            #expect(try await stream.status == 200)
        }
    }

    @Test("missing interface files are named, not fatal")
    func missingFiles() throws {
        let empty = try TestFolder([:])
        #expect(throws: StartFailure.self) { _ = try InterfaceFiles(folder: empty.url.path) }
    }

    /// Self-signed for localhost, made for these tests and of use nowhere else.
    private static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBnDCCAUGgAwIBAgIUQprFp3ZZdO12bzUrmHe+2heDL8EwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEyNTgzMVoYDzIxMjYxMDI4
        MTI1ODMxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAATmvboQdMtp17G2WLYyZdA9MGtkpA81WtEjyv2mSJnl1akmRbozsjsz
        qF432ifW7VJQ4GtGKME48qHjCsyOZJb3o28wbTAdBgNVHQ4EFgQUOKQ2tUk/NoMk
        aVQRmAGnMRdbnbEwHwYDVR0jBBgwFoAUOKQ2tUk/NoMkaVQRmAGnMRdbnbEwDwYD
        VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
        zj0EAwIDSQAwRgIhAN1IDNUUA36Z+7mKlcRF9duv2O9xBa0FLnS9ZiiH1qJJAiEA
        3oCbxviTyRnkmFv97fBg0CtlZCAr4DbHe/AmUUzctMA=
        -----END CERTIFICATE-----
        """

    private static let privateKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggSBe+S3Bbt86OuHH
        OQJ+mgzRVDt6edL3O0sFidu2IY+hRANCAATmvboQdMtp17G2WLYyZdA9MGtkpA81
        WtEjyv2mSJnl1akmRbozsjszqF432ifW7VJQ4GtGKME48qHjCsyOZJb3
        -----END PRIVATE KEY-----
        """
}
