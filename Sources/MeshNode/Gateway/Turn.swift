import Authority
import HTTPTypes
import NIOCore
import NodeCore
import Primitives

/// What is to be done with one request once it is complete, decided from its head.
enum TurnPlan {
    case prompt(PromptAPI, Caller, Delegation?)
    /// The caller may be known by an entry that this node is about to apply: ask again shortly.
    case promptOnceAdmitted(Asker)
    case catalogue(CatalogueQuestion)
    case refuse(GatewayError, HTTPFields)
}

/// Who has to be asked about again.
enum Asker: Hashable {
    case client(PromptAPI)
    case peer(NodeID)
}

/// One request of the gateway's on its connection: head, what has arrived of its body, and what will be done with it.
struct Turn {
    let head: HTTPRequest
    let dialect: Dialect
    private(set) var plan: TurnPlan
    private(set) var body = ByteBuffer()
    /// Of a body that nobody wants any more.
    private var discardedBytes = 0
    var isRequestComplete = false
    var isReplyBegun = false
    var isReplyComplete = false
    /// The connection is not used again.
    var closes: Bool
    var exchange: PromptExchange?

    init(head: HTTPRequest, dialect: Dialect, plan: TurnPlan) {
        self.head = head
        self.dialect = dialect
        self.plan = plan
        closes = head.headerFields[values: .connection].contains { value in
            value.split(separator: ",").contains { word in
                String(word.drop { $0 == " " }.prefix { $0 != " " }).isASCIIEqual(to: "close")
            }
        }
    }

    /// The body is too large. It is read to its end all the same, as long as it is not endless, and only then refused: many
    /// clients do not listen while they send, and take an early answer for a broken connection (RFC 9112 §9.6).
    mutating func refuseBody(limit: Int) {
        plan = .refuse(.bodyTooLarge(limit), HTTPFields())
        discardedBytes += body.readableBytes
        body = ByteBuffer()
    }

    var isEndless: Bool { discardedBytes > UploadLimits.discardedBytesMax }

    /// A part of the body; kept only if somebody may want it.
    mutating func receive(_ part: ByteBuffer, limit: Int) {
        if case .refuse = plan {
            discardedBytes += part.readableBytes
            return
        }
        body.writeImmutableBuffer(part)
        if body.readableBytes > limit { refuseBody(limit: limit) }
    }

    mutating func takeBody() -> ByteBuffer {
        defer { body = ByteBuffer() }
        return body
    }
}

/// Reads a request's head: whether it is the gateway's at all, and if so what to do with it.
struct TurnReader {
    let gateway: Gateway
    let access: GatewayAccess

    /// The dialect whose shape errors on this path take; nil for paths that are not the gateway's.
    static func dialect(ofTarget target: String) -> Dialect? {
        // Asked of every request, most of all of those for the mesh's own paths.
        if target.utf8.starts(with: "/mesh/".utf8) { return nil }
        let path: RequestPath
        do throws(RequestPathRefusal) {
            path = try RequestPath(target)
        } catch {
            // Not to be repaired, only to be refused in the right words.
            if target.hasPrefix("/api/") { return .ollama }
            return target.hasPrefix("/v1/") ? .openai : nil
        }
        switch path.segments.first {
        case "api"?: return .ollama
        case "v1"?: return .openai
        case nil, .some: return nil
        }
    }

    /// A client's request.
    func read(_ head: HTTPRequest, dialect: Dialect) -> TurnPlan {
        if let fault = HeaderPolicy.framingFault(head.headerFields) {
            return refuse(GatewayError(400, "the request has \(fault)"))
        }
        guard access.hosts.accepts(head.authority) else {
            return refuse(
                GatewayError(421, "this node does not answer to that host name; add it to http.allowed_hosts"))
        }
        let path: RequestPath
        do throws(RequestPathRefusal) {
            path = try RequestPath(head.path ?? "")
        } catch {
            return refuse(GatewayError(400, error.explanation))
        }
        if Self.isManagement(path) {
            return refuse(
                GatewayError(
                    403, "models are not managed through the mesh; ask the backend on its own machine",
                    code: "model_management_off"))
        }
        switch access.table.match(head.method, path) {
        case .unknown: return refuse(GatewayError(404, "there is nothing at \(path)", code: "not_found"))
        case .wrongMethod(let allowed):
            var fields = HTTPFields()
            fields[.allow] = allowed.map(\.rawValue).joined(separator: ", ")
            return refuse(
                GatewayError(405, "\(path) takes \(fields[.allow] ?? "another method")", code: "method_not_allowed"),
                fields)
        case .found(let entry, let parameter): return admit(entry, parameter: parameter, path, head)
        }
    }

    /// Whether a request in a sealed stream is a client's that an edge node passes on (`CoreDesk`): answered as if the client
    /// had asked here.
    func isPassedOn(_ head: HTTPRequest) -> Bool {
        guard HeaderPolicy.framingFault(head.headerFields) == nil, let path = try? RequestPath(head.path ?? ""),
            case .found(let entry, _) = access.table.match(head.method, path)
        else { return false }
        return entry.operation.needsCore || entry.operation.needsDataKey
    }

    /// A request that another agent has forwarded through a sealed stream.
    func readForwarded(_ head: HTTPRequest, from peer: NodeID) -> TurnPlan {
        guard HeaderPolicy.framingFault(head.headerFields) == nil, head.method == .post,
            let api = PromptAPI(rawValue: head.path ?? ""), let header = head.headerFields[HeaderPolicy.delegation]
        else { return refuse(GatewayError(400, "not a forwarded prompt")) }
        do throws(DelegationRefusal) {
            let delegation = try gateway.accept(header, from: peer, api: api, authenticator: access.authenticator)
            return .prompt(api, delegation.caller, delegation)
        } catch {
            if case .notYetApplied = error { return .promptOnceAdmitted(.peer(peer)) }
            return refuse(GatewayError(403, "the delegation is not accepted: \(error)"))
        }
    }

    /// Asks again for a caller that was too new. Nil while the answer is still open.
    func admitAgain(_ head: HTTPRequest, _ asker: Asker) -> TurnPlan? {
        switch asker {
        case .client(let api): return admitAgain(head, api)
        case .peer(let peer):
            let plan = readForwarded(head, from: peer)
            if case .promptOnceAdmitted = plan { return nil }
            return plan
        }
    }

    /// The node did not catch up in time.
    static func refusalOfLatecomer(_ asker: Asker) -> GatewayError {
        switch asker {
        case .client: error(for: .cutOff)
        // Not the caller's fault: the origin tries another node.
        case .peer: GatewayError(503, "this node is behind the log and does not know the caller yet")
        }
    }

    private func admitAgain(_ head: HTTPRequest, _ api: PromptAPI) -> TurnPlan? {
        let rule = AccessRule.bearer(.service)
        switch access.authenticator.admit(rule, fields: head.headerFields, view: gateway.view, now: gateway.now()) {
        case .failure(.notYetApplied): return nil
        case .failure(let refusal): return refuse(Self.error(for: refusal))
        case .success(nil): return refuse(Self.error(for: .missing))
        case .success(let caller?): return limited(caller) ?? .prompt(api, caller, nil)
        }
    }

    static func error(for refusal: AuthRefusal) -> GatewayError {
        GatewayError(
            refusal.status, refusal.explanation, code: refusal.status == 401 ? "invalid_api_key" : nil,
            retryAfterSeconds: refusal.status == 503 ? 1 : nil)
    }

    private func admit(_ entry: RouteEntry, parameter: String, _ path: RequestPath, _ head: HTTPRequest) -> TurnPlan {
        let api = PromptAPI(rawValue: path.description)
        switch access.authenticator.admit(
            entry.access, fields: head.headerFields, view: gateway.view, now: gateway.now())
        {
        case .failure(let refusal):
            if case .notYetApplied = refusal, let api { return .promptOnceAdmitted(.client(api)) }
            return refuse(Self.error(for: refusal))
        case .success(let caller):
            if let caller, let refusal = limited(caller) { return refusal }
            if let api, let caller { return .prompt(api, caller, nil) }
            guard let question = CatalogueQuestion(entry.operation, path: path, parameter: parameter) else {
                return refuse(GatewayError(404, "there is nothing at \(path)", code: "not_found"))
            }
            return .catalogue(question)
        }
    }

    private func limited(_ caller: Caller) -> TurnPlan? {
        guard let seconds = access.requestLimit.spend(caller.user.text, now: gateway.now()) else { return nil }
        return refuse(
            GatewayError(
                429, "\(caller.user) has sent too many requests; wait \(seconds) s", code: "rate_limit_exceeded",
                retryAfterSeconds: seconds))
    }

    private func refuse(_ error: GatewayError, _ fields: HTTPFields = HTTPFields()) -> TurnPlan {
        .refuse(error, fields)
    }

    /// Ollama's ways to change what a server holds.
    private static func isManagement(_ path: RequestPath) -> Bool {
        guard path.segments.count >= 2, path.segments[0] == "api" else { return false }
        return ["pull", "push", "create", "copy", "delete", "blobs"].contains(path.segments[1])
    }
}
