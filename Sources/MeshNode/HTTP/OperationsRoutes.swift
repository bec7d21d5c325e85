import Authority
import HTTPTypes
import Hummingbird
import NodeCore
import Primitives

/// What machines ask: is this node alive, is it of use, how is it doing, and by which keys are tokens verified.
struct OperationsRoutes {
    let surface: HTTPSurface

    /// The process answers; nothing else is claimed.
    func live() -> Response { .json { $0.field("status", "ok") } }

    func health() -> Response { ready() }

    /// Whether this node can do all it is there for, signing people in included.
    func ready() -> Response {
        let view = surface.core.view
        let now = surface.core.now()
        let reason: String? =
            if view.primary(at: now) == nil {
                "no primary within reach"
            } else if !view.isFresh(at: now) {
                "not caught up with the primary"
            } else {
                nil
            }
        guard let reason else { return live() }
        var response = Response.json(.serviceUnavailable) { text in
            text.field("status", "unavailable")
            text.field("reason", reason)
        }
        response.headers[.retryAfter] = "1"
        return response
    }

    /// The public keys of all core nodes (RFC 7517, RFC 8037 §2). Other services keep it for a short time only, so that a
    /// retired key stops counting there too.
    func keySet() -> Response {
        var response = Response.json { text in
            text.key("keys")
            text.open("[")
            let view = surface.core.view
            for key in view.authority.signingKeys.sorted where view.mayGrant(key.record.node) {
                text.open("{")
                text.field("kty", "OKP")
                text.field("crv", "Ed25519")
                text.field("alg", "EdDSA")
                text.field("use", "sig")
                text.field("kid", key.record.id.description)
                text.field("x", Base64URL.encode(key.record.publicKey.bytes))
                text.close("}")
            }
            text.close("]")
        }
        response.headers[.cacheControl] = "public, max-age=30"
        return response
    }

    func metrics() -> Response {
        let page = MetricsPage(
            view: surface.core.view, now: surface.core.now(), uptime: surface.core.now() - surface.startedAt,
            responses: surface.responseCounts.snapshot)
        return .text(page.text + surface.gatewayMetrics(), type: "text/plain; version=0.0.4; charset=utf-8")
    }
}
