import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// What Hummingbird tells a responder about a connection: where the request came from, and the channel itself.
struct ConnectionContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    var source: String { channel.remoteAddress?.ipAddress ?? "local" }
}

/// Serves every row of the route table that is not the gateway's. The order is the contract: host, path, row,
/// credentials, limit, and only then the route.
struct Responder: HTTPResponder {
    let surface: HTTPSurface
    /// Set on the local socket: who comes in there, and what is served to them.
    var door: LocalDoor?

    func respond(to request: Request, context: ConnectionContext) async throws -> Response {
        var response: Response
        do {
            response = try await serve(request, context)
        } catch let problem as Problem {
            response = problem.response
            if problem.fields[.connection] == "close" { Self.closeSoon(context.channel) }
        } catch let error as CancellationError {
            throw error  // the client is gone; there is nobody to answer
        } catch let error as ChannelError {
            throw error  // the same, found while reading
        } catch {
            context.logger.error("request failed", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
            response =
                Problem(
                    "internal", .internalServerError, "Internal error",
                    detail: "This node failed to serve the request; its log says why. Try another node."
                ).response
        }
        if let door, request.method != .get, request.method != .head {
            context.logger.notice(
                "local command",
                metadata: [
                    "user": "\(door.user)", "method": "\(request.method)", "path": "\(request.uri.path)",
                    "status": "\(response.status.code)",
                ])
        }
        surface.complete(&response.headers, status: response.status)
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func serve(_ request: Request, _ context: ConnectionContext) async throws -> Response {
        guard surface.hosts.accepts(request.head.authority) else {
            throw Problem(
                "unknown-host", .misdirectedRequest, "Unknown host",
                detail: "This node does not answer to that name. Use its address, or add the name to `allowed_hosts`.")
        }
        let path: RequestPath
        do { path = try RequestPath(request.head.path ?? "") } catch { throw Problem.invalid(error.explanation + ".") }

        let entry: RouteEntry
        let parameter: String
        switch (door?.table ?? surface.table).match(request.method, path) {
        case .found(let found, let value): (entry, parameter) = (found, value)
        case .wrongMethod(let allowed): throw Problem.wrongMethod(allowed: allowed)
        case .unknown: throw Problem.notFound("There is nothing at \(path).")
        }
        let caller =
            if let door {
                try door.admit(entry.operation, view: surface.core.view, now: surface.core.now()) as Caller?
            } else {
                try await surface.admit(entry.access, request.headers)
            }
        let exchange = Exchange(
            request: request, path: path, parameter: parameter, caller: caller, source: context.source)
        var response = try await surface.serve(entry.operation, exchange)
        if case .cookie = caller?.proof, response.headers[.setCookie] == nil {
            response.headers[.setCookie] =
                surface.isEdge(surface.core.view)
                ? await CoreDesk(surface: surface).renewedCookie(request.headers)
                : await surface.browserRefresher.renewedCookie(request.headers, core: surface.core)
        }
        if let caller { surface.noteFreshness(&response.headers, caller) }
        return response
    }

    /// A client that sends too much is given a moment to read the answer, and then no more of our time.
    private static func closeSoon(_ channel: any Channel) {
        channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
    }
}

extension HTTPSurface {
    /// One line for each operation of the table.
    func serve(_ operation: Operation, _ exchange: Exchange) async throws -> Response {
        if goesToCore(operation, core.view) { return try await CoreDesk(surface: self).serve(operation, exchange) }
        return switch operation {
        case .home: interface.home(exchange)
        case .interfaceFile: try interface.file(exchange)
        case .health: operations.health()
        case .live: operations.live()
        case .ready: operations.ready()
        case .metrics: operations.metrics()
        case .keySet: operations.keySet()
        case .login: try await auth.login(exchange)
        case .refresh: try await auth.refresh(exchange)
        case .logout: try await auth.logout(exchange)
        case .browserToken: try await auth.browserToken(exchange)
        case .me: try auth.me(exchange)
        case .sessions: try sessions.list(exchange)
        case .endSession: try await sessions.end(exchange)
        case .endSessions: try await sessions.endAll(exchange)
        case .status: cluster.status()
        case .events: try cluster.events(exchange)
        case .explainRoute: try await cluster.explain(exchange)
        case .leave: try await LeaveRoute(surface: self).leave(exchange)
        case .removeMember: try await MemberRoutes(surface: self).remove(exchange)
        case .listValues: try await values.list(exchange)
        case .readValue, .writeValue, .deleteValue: try await values.serve(operation, exchange)
        case .listLocks: try await locks.list(exchange)
        case .acquireLock: try await locks.acquire(exchange)
        case .renewLock: try await locks.renew(exchange)
        case .releaseLock: try await locks.release(exchange)
        case .publishEvent: try await topics.publish(exchange)
        case .followTopic: try topics.follow(exchange)
        case .listUsers: try users.list(exchange)
        case .createUser: try await users.create(exchange)
        case .setRole: try await users.setRole(exchange)
        case .setPassword: try await users.setPassword(exchange)
        case .removeUser: try await users.remove(exchange)
        case .showSecret: secret.show()
        case .rotateSecret: try await secret.rotate()
        case .listTokens: joinTokens.list()
        case .createToken: try await joinTokens.create(exchange)
        case .removeToken: try await joinTokens.remove(exchange)
        case .listRoster: revocations.list()
        case .revokeNode: try await revocations.revoke(exchange)
        case .listKeys: try keys.list(exchange)
        case .createKey: try await keys.create(exchange)
        case .removeKey: try await keys.remove(exchange)
        case .ollamaVersion, .ollamaTags, .ollamaChat, .ollamaGenerate, .openAIModels, .openAIModel, .openAIChat:
            throw Problem.notFound("This node has no gateway.")
        }
    }

    private var interface: InterfaceRoutes { InterfaceRoutes(files: files) }
    private var operations: OperationsRoutes { OperationsRoutes(surface: self) }
    private var auth: AuthRoutes { AuthRoutes(surface: self) }
    private var sessions: SessionRoutes { SessionRoutes(surface: self) }
    private var cluster: ClusterRoutes { ClusterRoutes(surface: self) }
    private var values: KeyValueRoutes { KeyValueRoutes(surface: self) }
    private var locks: LockRoutes { LockRoutes(surface: self) }
    private var topics: TopicRoutes { TopicRoutes(surface: self) }
    private var users: UserRoutes { UserRoutes(surface: self) }
    private var secret: SecretRoutes { SecretRoutes(surface: self) }
    private var joinTokens: JoinTokenRoutes { JoinTokenRoutes(surface: self) }
    private var revocations: RevocationRoutes { RevocationRoutes(surface: self) }
    private var keys: APIKeyRoutes { APIKeyRoutes(surface: self) }
}
