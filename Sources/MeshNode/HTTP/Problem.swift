import Authority
import HTTPTypes
import Hummingbird
import NIOCore
import NodeCore

/// A problem document (RFC 9457): how the mesh's own paths say that something was not done, and what to try next.
///
/// Thrown by routes, turned into a response by `Responder`. `kind` is the last part of `type`, stable and for programs;
/// `detail` is for people.
package struct Problem: Error, Sendable {
    package let kind: String
    package let status: HTTPResponse.Status
    package let title: String
    package let detail: String
    package var fields = HTTPFields()

    package init(_ kind: String, _ status: HTTPResponse.Status, _ title: String, detail: String) {
        self.kind = kind
        self.status = status
        self.title = title
        self.detail = detail
    }

    package func with(_ name: HTTPField.Name, _ value: String?) -> Problem {
        var problem = self
        problem.fields[name] = value
        return problem
    }

    /// The connection must not be used again. Said as well, or a client that keeps connections would send its next
    /// request into the close.
    var closing: Problem { with(.connection, "close") }

    /// The document's text.
    var document: ByteBuffer {
        var object = JSONText()
        object.open("{")
        object.field("type", "urn:meshnode:problem:\(kind)")
        object.field("title", title)
        object.field("status", status.code)
        object.field("detail", detail)
        object.close("}")
        return object.buffer
    }

    var reply: WholeReply {
        var fields = fields
        fields[.contentType] = "application/problem+json"
        fields[.cacheControl] = "no-store"
        return WholeReply(status, fields, document)
    }

    package var response: Response { Response(reply) }
}

extension Problem {
    static func invalid(_ detail: String) -> Problem {
        Problem("invalid-request", .badRequest, "Bad request", detail: detail)
    }

    static func notFound(_ detail: String) -> Problem { Problem("not-found", .notFound, "Not found", detail: detail) }

    static func conflict(_ kind: String, _ detail: String) -> Problem {
        Problem(kind, .conflict, "Conflict", detail: detail)
    }

    static func tooLarge(limit: Int) -> Problem {
        Problem(
            "too-large", .contentTooLarge, "Body too large",
            detail: "The body exceeds \(limit) bytes, the most that is accepted here. Send less.")
    }

    static func tooMany(_ detail: String, retryAfterSeconds: Int) -> Problem {
        Problem("too-many-requests", .tooManyRequests, "Too many requests", detail: detail)
            .with(.retryAfter, String(retryAfterSeconds))
    }

    static func wrongMethod(allowed: [HTTPRequest.Method]) -> Problem {
        let list = allowed.map(\.rawValue).joined(separator: ", ")
        return Problem(
            "method-not-allowed", .methodNotAllowed, "Method not allowed", detail: "This path takes \(list)."
        ).with(.allow, list)
    }

    /// Every status of `AuthRefusal`, with the challenge that a 401 owes (RFC 9110 §11.6.1).
    static func auth(_ refusal: AuthRefusal) -> Problem {
        switch refusal.status {
        case 401:
            Problem("unauthorized", .unauthorized, "Not signed in", detail: refusal.explanation)
                .with(.wwwAuthenticate, #"Bearer realm="mesh""#)
        case 403:
            Problem("forbidden", .forbidden, "Not allowed", detail: refusal.explanation)
        default:
            Problem("cut-off", .serviceUnavailable, "Not known here yet", detail: refusal.explanation)
                .with(.retryAfter, "1")
        }
    }

    /// What a refusal of the core means to a client: 503 only where nothing was appended.
    static func core(_ refusal: CoreRefusal) -> Problem {
        let detail = refusal.explanation.prefix(1).uppercased() + refusal.explanation.dropFirst() + "."
        return switch refusal {
        case .noQuorum: Problem(refusal.code, .serviceUnavailable, "No quorum", detail: detail).with(.retryAfter, "1")
        case .outcomeUnknown: Problem(refusal.code, .gatewayTimeout, "Outcome unknown", detail: detail)
        case .overloaded:
            Problem(refusal.code, .serviceUnavailable, "Overloaded", detail: detail).with(.retryAfter, "1")
        case .stopping:
            Problem(refusal.code, .serviceUnavailable, "Shutting down", detail: detail).with(.retryAfter, "5")
        }
    }

    /// What a refusal of the replicated state means to a client. Nothing was changed by it, unless its text says so.
    static func refused(_ refusal: Refusal) -> Problem {
        switch refusal {
        case .userExists: .conflict("user-exists", "There is a user of that name already. Choose another name.")
        case .adminRequired: .conflict("admin-required", "The mesh must keep at least one admin.")
        case .limitReached: .conflict("limit-reached", "There is no room for one more. Remove something first.")
        case .unknownUser: .notFound("There is no such user.")
        case .unknownKey: .notFound("There is no such key.")
        case .unknownValue: .notFound("There is no such value.")
        case .unknownSession, .sessionExpired: .auth(.revoked)
        case .refreshReused:
            Problem(
                "refresh-reused", .unauthorized, "Session ended",
                detail:
                    "That refresh token had been replaced already, so somebody holds a copy: the session was ended. "
                    + "Sign in again.")
        case .passwordChanged: .wrongPassword
        case .conditionFailed(let current):
            Problem(
                "condition-failed", .preconditionFailed, "Condition failed",
                detail: current.map { "The value's revision is \($0) now. Read it again, then decide." }
                    ?? "There is no such value."
            ).with(.eTag, current.map { "\"\($0)\"" })
        case .lockHeld(let token):
            .conflict(
                "lock-held",
                "Somebody else holds that lock, under token \(token). Wait until it is released or expires.")
        case .notHolding:
            .conflict(
                "not-holding", "The lock is not held under that token any more: nothing was changed. Take it anew.")
        case .tooLarge: .tooLarge(limit: AuthorityLimits.standard.valueBytes)
        case .clockNotSet:
            Problem(
                "clock-not-set", .serviceUnavailable, "Not ready",
                detail: "The mesh has no clock yet; its first primary is setting it. Try again shortly."
            ).with(.retryAfter, "1")
        case .clientExpired, .idTaken, .epochNotActive:
            Problem("retry", .serviceUnavailable, "Try again", detail: "Nothing was changed. Try again.")
                .with(.retryAfter, "1")
        case .rosterChanged:
            .conflict(
                "roster-changed", "The mesh was changed by somebody else at the same moment. Look again, then decide.")
        case .unsigned: .notCore
        case .unknownToken: .notFound("There is no such join token, or it was used or has expired.")
        case .nameTaken: .conflict("name-taken", "Another node has that name. Choose another one.")
        case .unknownMember: .notFound("There is no such node in the mesh's roster.")
        case .lastCore:
            .conflict("last-core", "Without it nobody could decide about the mesh. Let another core node in first.")
        case .staleSequence: .core(.outcomeUnknown)
        case .malformed, .clockNotAhead:
            Problem(
                "internal", .internalServerError, "Internal error",
                detail: "The mesh refused what this node proposed (\(refusal)). Nothing was changed.")
        }
    }

    static let notCore = Problem.conflict(
        "not-core", "Only nodes of class `core` may change the mesh itself. Ask one of those.")

    static let wrongPassword = Problem(
        "wrong-credentials", .unauthorized, "Wrong name or password",
        detail: "No user has that name and that password. Check both.")
}
