import Primitives
import Testing

@Suite struct EndpointTests {
    @Test(
        arguments: [
            ("127.0.0.1:7946", "127.0.0.1:7946"),
            ("255.255.255.255:65535", "255.255.255.255:65535"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("[::]:1", "[::]:1"),
            ("[::1]:7946", "[::1]:7946"),
            ("[2001:db8:0:0:0:0:0:1]:1", "[2001:db8::1]:1"),
            ("[2001:0DB8::0001]:1", "[2001:db8::1]:1"),
            // RFC 5952 §4.2.2: a single zero group is not shortened.
            ("[2001:db8::1:1:1:1:1]:1", "[2001:db8:0:1:1:1:1:1]:1"),
            // §4.2.3: the longest run, and of equal ones the first.
            ("[2001:0:0:1:0:0:0:1]:1", "[2001:0:0:1::1]:1"),
            ("[2001:db8:0:0:1:0:0:1]:1", "[2001:db8::1:0:0:1]:1"),
            ("[1:2:3:4:5:6:7:8]:1", "[1:2:3:4:5:6:7:8]:1"),
            ("[1:2:3:4:5:6::]:1", "[1:2:3:4:5:6::]:1"),
            ("[fe80::]:1", "[fe80::]:1"),
            // RFC 4291 §2.5.5.2: one form for IPv4.
            ("[::ffff:c000:201]:80", "192.0.2.1:80"),
        ])
    func `an address prints in its one canonical form`(_ text: String, _ canonical: String) throws {
        let endpoint = try #require(Endpoint(text))
        #expect(endpoint.description == canonical)
        #expect(Endpoint(canonical) == endpoint)
    }

    @Test(
        arguments: [
            "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:0x1",
            "127.0.0:1", "127.0.0.0.1:1", "127.0.0.256:1", "127.0.0.:1", "127.0.0.01:1", "127.0.0.+1:1", " 127.0.0.1:1",
            "[127.0.0.1]:1", "localhost:1", "::1:80", "2001:db8::1:80", "[::1", "[::1]", "::1]:1", "[1:2:3]:1",
            "[1:2:3:4:5:6:7:8:9]:1", "[1::2::3]:1", "[:::]:1", "[12345::]:1", "[g::]:1", "[+1::]:1", "[-1::]:1",
            "[1:2:3:4:5:6:7::8]:1", "[:1:2:3:4:5:6:7]:1", "[::1%eth0]:1", "[]:1",
        ])
    func `anything else is no endpoint`(_ text: String) {
        #expect(Endpoint(text) == nil)
    }

    @Test func `a host alone needs no brackets`() {
        #expect(Endpoint(host: "::1", port: 5)?.description == "[::1]:5")
        #expect(Endpoint(host: "[::1]", port: 5)?.description == "[::1]:5")
        #expect(Endpoint(host: "10.0.0.1", port: 5)?.host == "10.0.0.1")
        #expect(Endpoint(host: "aurora", port: 5) == nil)
    }

    @Test(
        arguments: [
            ("127.0.0.1:1", true), ("127.255.0.9:1", true), ("[::1]:1", true), ("[::ffff:7f00:1]:1", true),
            ("128.0.0.1:1", false), ("0.0.0.0:1", false), ("[::]:1", false), ("[::2]:1", false), ("10.0.0.1:1", false),
        ])
    func `loopback is 127.0.0.0/8 and ::1`(_ text: String, _ expected: Bool) {
        #expect(Endpoint(text)?.isLoopback == expected)
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func `every address is read back from its text`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            // Many zero groups, so that runs of all lengths and places occur.
            var words: [UInt64] = []
            for _ in 0..<2 {
                words.append(
                    (0..<4).reduce(0) { word, _ in
                        word << 16 | (random.chance(2, in: 3) ? 0 : UInt64(random.below(1 << 16)))
                    })
            }
            let endpoint = Endpoint(high: words[0], low: words[1], port: UInt16(random.below(1 << 16)))
            #expect(Endpoint(endpoint.description) == endpoint)
        }
    }
}
