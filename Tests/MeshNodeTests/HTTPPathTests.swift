import Authority
import HTTPTypes
import MeshNode
import Testing

@Suite("One path, read once, and one table that denies by default", .timeLimit(.minutes(1)))
struct HTTPPathTests {
    @Test(
        "a plain path is split into decoded segments",
        arguments: [
            ("/", []), ("/?a=1", []), ("/mesh/v1/status", ["mesh", "v1", "status"]),
            ("/mesh/v1/%73tatus?x", ["mesh", "v1", "status"]),
            ("/mesh/v1/kv/a%2Fb/c", ["mesh", "v1", "kv", "a/b", "c"]),
            ("/mesh/v1/topics/log%2Fjobs", ["mesh", "v1", "topics", "log/jobs"]),
            ("/v1/models/org%2Fname:1b", ["v1", "models", "org/name:1b"]), ("/a%2525", ["a%25"]), ("/%C3%A4", ["ä"]),
        ] as [(String, [String])])
    func accepted(_ target: String, _ segments: [String]) throws {
        #expect(try RequestPath(target).segments == segments)
    }

    @Test(
        "what two readers could read differently is refused",
        arguments: [
            ("", .notAPath), ("*", .notAPath), ("http://host/", .notAPath), ("mesh", .notAPath),
            ("//", .emptySegment), ("/mesh//v1", .emptySegment), ("/mesh/", .emptySegment),
            ("/mesh/../x", .dotSegment), ("/./x", .dotSegment), ("/%2e%2E/x", .dotSegment),
            ("/mesh/v1/kv/..", .dotSegment),
            ("/mesh/v1/kv/a%2F..%2Fb", .dotSegment), ("/mesh/v1/kv/%2Fetc", .emptySegment),
            ("/mesh%2Fv1", .encodedSlash), ("/mesh/v1/users/a%2fb", .encodedSlash),
            ("/mesh/v1/kvx/a%2Fb", .encodedSlash), ("/v2/models/a%2Fb", .encodedSlash),
            ("/%", .brokenEscape), ("/%4", .brokenEscape), ("/%zz", .brokenEscape), ("/%+1", .brokenEscape),
            ("/%ff", .notUTF8), ("/%C0%AE", .notUTF8), ("/a%00", .forbiddenCharacter),
            ("/a%0d%0aX", .forbiddenCharacter),
            ("/a\\b", .forbiddenCharacter), ("/a%5Cb", .forbiddenCharacter),
            ("/mesh/v1/kv/k?lock=caf%E9&token=1", .notUTF8), ("/x?lock=50%&token=1", .brokenEscape),
            ("/x?%=1", .brokenEscape),
            ("/" + String(repeating: "a", count: RequestPath.targetBytesMax), .tooLong),
        ] as [(String, RequestPathRefusal)])
    func refused(_ target: String, _ refusal: RequestPathRefusal) {
        #expect(throws: refusal) { try RequestPath(target) }
    }

    @Test("query values are decoded, and the first of a name counts")
    func queries() throws {
        let path = try RequestPath("/x?prefix=a%2Fb+c&flag&prefix=d&&=")
        #expect(path.queryValue("prefix") == "a/b c")
        #expect(path.queryValue("flag") == "")
        #expect(path.queryValue("none") == nil)
    }

    private static let table = RouteTable.standard(files: ["index.html", "app.js"])

    private func match(_ method: HTTPRequest.Method, _ target: String) throws -> RouteMatch {
        Self.table.match(method, try RequestPath(target))
    }

    @Test("what needs no credentials is exactly this")
    func anonymousRows() {
        let open = Self.table.entries.filter { $0.access == .anonymous }
            .map { "\($0.method.rawValue) /\($0.pattern.joined(separator: "/"))" }
        #expect(
            Set(open) == [
                "GET /", "GET /health", "GET /health/live", "GET /health/ready", "GET /.well-known/jwks.json",
                "POST /mesh/v1/auth/login", "POST /mesh/v1/auth/refresh", "GET /api/version", "GET /index.html",
                "GET /app.js",
            ])
    }

    @Test("cookies count nowhere outside /mesh")
    func cookiePaths() {
        for entry in Self.table.entries {
            if case .signedIn = entry.access { #expect(entry.pattern.first == "mesh", "\(entry.pattern)") }
            if entry.operation.isGateways { #expect(["api", "v1"].contains(entry.pattern.first)) }
        }
    }

    @Test("parameters take one segment, or all that follow")
    func parameters() throws {
        guard case .found(let one, let id) = try match(.delete, "/mesh/v1/auth/sessions/abc") else {
            Issue.record("no row for a session")
            return
        }
        #expect(one.operation == .endSession && id == "abc")
        guard case .found(let key, let name) = try match(.get, "/mesh/v1/kv/a/b%2Fc") else {
            Issue.record("no row for a key")
            return
        }
        #expect(key.operation == .readValue && name == "a/b/c")
        if case .found = try match(.delete, "/mesh/v1/auth/sessions/a/b") { Issue.record("two segments as one id") }
    }

    @Test("a known path with another method names the methods it has; an unknown path has none")
    func methods() throws {
        guard case .wrongMethod(let allowed) = try match(.post, "/mesh/v1/kv/x") else {
            Issue.record("POST to a key was not refused")
            return
        }
        #expect(Set(allowed) == [.get, .head, .put, .delete])
        guard case .unknown = try match(.get, "/mesh/v1") else {
            Issue.record("a prefix of a path is no path")
            return
        }
        guard case .found(let head, _) = try match(.head, "/health") else {
            Issue.record("HEAD goes wherever GET does")
            return
        }
        #expect(head.operation == .health)
    }
}
