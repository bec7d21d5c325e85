import HTTPTypes

extension HTTPSurface {
    /// Adds the last fields of an answer to one of the mesh's own paths, and counts it.
    func complete(_ fields: inout HTTPFields, status: HTTPResponse.Status) {
        fields.append(contentsOf: Self.securityFields)
        responseCounts.add(status.code)
    }

    /// Tells a caller when nobody could confirm that nothing was revoked.
    func noteFreshness(_ fields: inout HTTPFields, _ caller: Caller) {
        if caller.isCutOff { fields[.meshFreshness] = "cut-off" }
    }

    private static let securityFields: HTTPFields = [
        .contentSecurityPolicy:
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
            + "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        .xContentTypeOptions: "nosniff", .referrerPolicy: "no-referrer", .crossOriginResourcePolicy: "same-origin",
        .crossOriginOpenerPolicy: "same-origin",
    ]
}

extension HTTPField.Name {
    // Every one of these is a token (RFC 9110 §5.6.2), so none is nil.
    static let meshClient = HTTPField.Name("X-Mesh-Client")!
    static let meshSessionSecret = HTTPField.Name("X-Mesh-Session-Secret")!
    static let meshFreshness = HTTPField.Name("X-Mesh-Freshness")!
    static let referrerPolicy = HTTPField.Name("Referrer-Policy")!
    static let crossOriginOpenerPolicy = HTTPField.Name("Cross-Origin-Opener-Policy")!
}
