import NodeCore
import Primitives
import Testing

@Suite("Networks that configurations name")
struct NetworkTests {
    @Test(
        "a prefix contains exactly the addresses that share it",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("127.0.0.0/8", "127.3.2.1", true),
            ("192.0.2.7/32", "192.0.2.7", true), ("192.0.2.7/32", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("fd00::/8", "fd12::1", true), ("fd00::/8", "fe80::1", false), ("::1/128", "::1", true),
            ("10.0.0.0/8", "::1", false),
        ])
    func contains(network: String, host: String, expected: Bool) throws {
        let network = try #require(Network(network))
        let endpoint = try #require(Endpoint(host: host, port: 1))
        #expect(network.contains(endpoint) == expected)
    }

    @Test(
        "what is no prefix is refused",
        arguments: ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "host/8", "/8", "10.0.0.0/-1"])
    func malformed(text: String) {
        #expect(Network(text) == nil)
    }
}
