import Authority
import Foundation
import Gossip
import HTTPTypes
import NIOCore
import NIOHTTP1
import NodeCore
import Primitives

// Which core node is asked, and what its answer means.
extension CoreDesk {
    /// Core nodes that are asked before the client is told that none is reached.
    private static let triesMax = 3

    /// What a core node answered; throws if none did, or if it is not known whether one did what was asked.
    func ask(
        _ method: HTTPRequest.Method, _ target: String, client: HTTPFields, body: ByteBuffer
    ) async throws(Problem) -> CollectedReply {
        guard let asker = surface.peerAsker else { throw .noCoreNode }
        for (node, endpoint) in coreNodes.prefix(Self.triesMax) {
            let head = HTTPRequestHead(
                version: .http1_1, method: .init(rawValue: method.rawValue), uri: target,
                headers: HeaderPolicy.passedOnHeaders(
                    host: endpoint.description, bodyBytes: body.readableBytes, from: client))
            do throws(CollectFailure) {
                return try await asker(node, endpoint, head, body)
            } catch {
                // Somewhere else only if it is certain that nobody has begun.
                switch error {
                case .noConnection: continue
                // Reading twice does no harm, but waiting twice does.
                case .brokenOff where method == .get: continue
                case .timedOut where method == .get: throw .noCoreNode
                case .brokenOff, .timedOut, .tooLong: throw .core(.outcomeUnknown)
                }
            }
        }
        throw .noCoreNode
    }

    /// Who is there, the primary first, the others by distance.
    private var coreNodes: [(NodeID, Endpoint)] {
        let view = view
        let primary = view.primary(at: surface.core.now())
        let nodes = view.members.filter { member in
            !member.isSelf && member.state == .alive && member.descriptor?.trustClass == .core
                && view.mayGrant(member.id)
        }
        let sorted = nodes.sorted { a, b in
            (a.id == primary ? 0 : 1, a.roundTrip ?? .seconds(1), a.id)
                < (b.id == primary ? 0 : 1, b.roundTrip ?? .seconds(1), b.id)
        }
        return sorted.compactMap { member in member.descriptor.map { (member.id, $0.http) } }
    }
}

/// What a sign-in or a refresh brings.
struct IssuedTokens {
    let access: String
    let refresh: RefreshToken
    let key: SigningKeyID
    let grantedAt: LogIndex
}

extension CollectedReply {
    /// Nil if it is a refusal.
    var tokens: IssuedTokens? {
        struct SignedIn: Decodable {
            let access_token: String
            let refresh_token: String
        }
        guard head.status == .ok,
            let document = try? JSONDecoder().decode(SignedIn.self, from: Data(body.readableBytesView)),
            let refresh = RefreshToken(document.refresh_token), let parsed = try? ParsedToken(document.access_token)
        else { return nil }
        return IssuedTokens(
            access: document.access_token, refresh: refresh, key: parsed.key, grantedAt: LogIndex(parsed.claims.idx))
    }

    /// For the client: what the answer says, and when to try again.
    var whole: WholeReply {
        var fields = HTTPFields()
        fields[.contentType] = head.headers.first(name: "Content-Type")
        fields[.cacheControl] = head.headers.first(name: "Cache-Control") ?? "no-store"
        fields[.eTag] = head.headers.first(name: "ETag")
        fields[.meshFreshness] = head.headers.first(name: "X-Mesh-Freshness")
        fields[.retryAfter] = head.headers.first(name: "Retry-After")
        fields[.wwwAuthenticate] = head.headers.first(name: "WWW-Authenticate")
        return WholeReply(.init(code: Int(head.status.code)), fields, body)
    }
}

extension Problem {
    static var noCoreNode: Problem {
        Problem(
            "no-core-node", .serviceUnavailable, "No core node",
            detail:
                "This node's class is `edge`: core nodes check passwords, sign, and open what is stored, and none can be reached "
                + "from here. Nothing was changed. Try again, or another node."
        ).with(.retryAfter, "1")
    }
}
