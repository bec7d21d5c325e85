import Authority
import Foundation
import HTTPTypes
import Hummingbird
import NodeCore
import Primitives

/// Locks that end by themselves, each grant with a fencing token that grows (docs/API.md, "Locks"). The intuition: a lock
/// cannot stop a holder that slept past its time; a token that whatever it changes is checked against can.
struct LockRoutes {
    let surface: HTTPSurface

    private static let listedMax = 1000

    /// Those that are held now, sorted; the last name of a full page is the next one's `after`.
    func list(_ exchange: Exchange) async throws -> Response {
        try await KeyValueRoutes(surface: surface).settle(exchange)
        let after = try exchange.path.queryValue("after").map { try Self.name($0) }
        let view = surface.core.view
        let now = view.logTime + (surface.core.now() - view.takenAt)
        let held = view.authority.locks.list(after: after, limit: Self.listedMax).filter { $0.lock.expiresAt > now }
        return Response.json { text in
            text.key("locks")
            text.open("[")
            for (name, lock) in held {
                text.open("{")
                Self.write(lock, of: name, at: now, &text)
                text.close("}")
            }
            text.close("]")
        }
    }

    /// Takes the lock if it is free. Repeated with the same `holder`, it is the same attempt, and answered the same.
    func acquire(_ exchange: Exchange) async throws -> Response {
        struct Wanted: Decodable {
            let ttl_seconds: Double
            let holder: String?
        }
        guard surface.core.view.authority.featureLevel >= .locks else {
            throw Problem.conflict(
                "feature-not-agreed",
                "Some voter runs a program without locks, or none has said yet. Upgrade all, then try again.")
        }
        let name = try Self.name(exchange.parameter)
        let wanted = try await exchange.json(Wanted.self)
        let lifetime = try Self.lifetime(wanted.ttl_seconds)
        guard let holder = wanted.holder.map({ LockHolder(hex: $0) }) ?? LockHolder.random() else {
            throw Problem.invalid(
                "`holder` has 32 hexadecimal digits, drawn for this attempt; without it the node draws one.")
        }
        let reply = try await surface.commit(
            .acquireLock(LockRequest(name: name, holder: holder, lifetime: lifetime)))
        return try answer(reply, name, .created)
    }

    func renew(_ exchange: Exchange) async throws -> Response {
        struct Wanted: Decodable {
            let token: UInt64
            let ttl_seconds: Double
        }
        let name = try Self.name(exchange.parameter)
        let wanted = try await exchange.json(Wanted.self)
        let reply = try await surface.commit(
            .renewLock(name: name, token: LogIndex(wanted.token), lifetime: try Self.lifetime(wanted.ttl_seconds)))
        return try answer(reply, name, .ok)
    }

    func release(_ exchange: Exchange) async throws -> Response {
        let name = try Self.name(exchange.parameter)
        guard let token = exchange.path.queryValue("token").flatMap({ UInt64($0) }) else {
            throw Problem.invalid("Name the grant to be given back: `?token=TOKEN`.")
        }
        _ = try await surface.commit(.releaseLock(name: name, token: LogIndex(token)))
        return .noContent
    }

    // MARK: Steps

    private func answer(_ reply: AuthorityReply, _ name: LockName, _ status: HTTPResponse.Status) throws(Problem)
        -> Response
    {
        guard case .locked(let lock) = reply else { throw .refused(.malformed) }
        let view = surface.core.view
        let now = view.logTime + (surface.core.now() - view.takenAt)
        return Response.json(status) { Self.write(lock, of: name, at: now, &$0) }
    }

    private static func write(_ lock: Lock, of name: LockName, at now: LogTime, _ text: inout JSONText) {
        text.field("name", name.text)
        text.field("token", lock.token.value)
        text.field("expires_in_ms", max((lock.expiresAt - now).inMilliseconds, 0))
        text.field("holder", lock.holder.description)
    }

    static func name(_ text: String) throws(Problem) -> LockName {
        guard let name = LockName(text.normalised) else {
            throw .invalid("A lock's name has 1 to 128 bytes and no control characters.")
        }
        return name
    }

    private static func lifetime(_ seconds: Double) throws(Problem) -> Duration {
        let milliseconds = seconds * 1000
        guard milliseconds.isFinite, (100...86_400_000).contains(milliseconds) else {
            throw .invalid("`ttl_seconds` lies between 0.1 and 86400.")
        }
        return .milliseconds(Int64(milliseconds.rounded()))
    }
}
