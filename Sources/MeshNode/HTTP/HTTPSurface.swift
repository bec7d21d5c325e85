import Authority
import HTTPTypes
import NodeCore
import Primitives
import SecureChannel

/// What every route has at hand: the core, who may do what, and what is counted. One per node.
package struct HTTPSurface: Sendable {
    package let core: any MeshCore
    package let config: NodeConfig
    package let table: RouteTable
    /// Its rows for one shared value.
    let valueTable: RouteTable
    package let authenticator: Authenticator
    package let hosts: HostPolicy
    /// By user name; the gateway's requests count here too.
    package let requestLimit: RateLimiter
    package let routeEvents: RouteEventHub
    package let startedAt: Instant
    let issuer: TokenIssuer
    let identity: Identity
    let passwords: PasswordChecker
    let loginGuard: LoginGuard
    let vault: ValueVault
    let browserRefresher: BrowserRefresher
    package let files: InterfaceFiles
    let streams = StreamQuota()
    /// How the local socket's `leave` ends the agent.
    let departure: Departure
    let responseCounts = ResponseCounts()
    let date = DateField()
    let valueQueues: ValueQueues
    let explain: RouteExplainer?
    /// How another node is asked; nil without a gateway.
    let peerAsker: PeerAsker?
    /// The gateway's own figures, in Prometheus' text format.
    let gatewayMetrics: @Sendable () -> String

    init(
        config: NodeConfig, core: any MeshCore, secrets: NodeSecrets, files: InterfaceFiles, hooks: GatewayHooks,
        passwordLimits: PasswordHash.Limits, departure: Departure
    ) throws(StartFailure) {
        self.core = core
        valueQueues = ValueQueues(core: core)
        self.config = config
        self.files = files
        table = .standard(files: files.names)
        valueTable = RouteTable(entries: table.entries.filter { $0.operation.isAboutOneValue })
        authenticator = Authenticator(secrets: secrets)
        hosts = HostPolicy(config.http)
        let perMinute = config.limits.requestsPerMinutePerUser
        requestLimit = RateLimiter(perMinute: perMinute, burst: perMinute)
        routeEvents = hooks.routeEvents
        startedAt = core.now()
        issuer = TokenIssuer(core: core, secrets: secrets)
        identity = secrets.identity
        passwords = try PasswordChecker(limits: passwordLimits, coreKey: secrets.coreKey)
        vault = ValueVault(keys: secrets.dataKeys)
        loginGuard = LoginGuard(attemptsPerMinute: config.limits.loginAttemptsPerMinute)
        browserRefresher = BrowserRefresher(secrets: secrets, isSecure: config.http.certificateFile != nil)
        explain = hooks.explain
        peerAsker = hooks.askPeer
        self.departure = departure
        gatewayMetrics = hooks.metrics
    }

    /// Who sent a request with these fields, as far as `access` needs to know: nil for an anonymous row.
    ///
    /// A session that this node has not applied yet is waited for, briefly: whoever signed in on one node and asks
    /// another right away must not be told to sign in again.
    package func admit(_ access: AccessRule, _ fields: HTTPFields) async throws(Problem) -> Caller? {
        var verdict = authenticator.admit(access, fields: fields, view: core.view, now: core.now())
        if case .failure(.notYetApplied(let index)) = verdict {
            await core.wait(atMost: Self.catchUpTimeoutMax) { $0.consensus.appliedIndex >= index }
            verdict = authenticator.admit(access, fields: fields, view: core.view, now: core.now())
        }
        let caller: Caller?
        do { caller = try verdict.get() } catch { throw .auth(error) }
        guard let caller else { return nil }
        if let seconds = requestLimit.spend(caller.user.text, now: core.now()) {
            throw .tooMany(
                "\(caller.user) has sent more than \(config.limits.requestsPerMinutePerUser) requests a minute. Wait "
                    + "\(seconds) s.", retryAfterSeconds: seconds)
        }
        return caller
    }

    private static let catchUpTimeoutMax: Duration = .seconds(1)

    /// Proposes a command, waits until it is applied here, and turns every refusal into its problem document.
    ///
    /// Not inlined: with it inside, Swift 6.3.1 crashes while it splits some callers' coroutines.
    @inline(never)
    func commit(_ command: AuthorityCommand) async throws(Problem) -> AuthorityReply {
        let committed: CommittedReply
        do { committed = try await core.submit(command) } catch { throw .core(error) }
        if case .refused(let refusal) = committed.reply { throw .refused(refusal) }
        return committed.reply
    }

    /// Returns once the session is gone, also where something else ended it first.
    func end(_ session: SessionID) async throws(Problem) {
        let committed: CommittedReply
        do { committed = try await core.submit(.revokeSession(session)) } catch { throw .core(error) }
        if case .refused(let refusal) = committed.reply, refusal != .unknownSession { throw .refused(refusal) }
    }
}

extension MeshCore {
    /// Returns once this node's view is as wanted, or after `limit`.
    func wait(atMost limit: Duration, until isReached: @escaping @Sendable (ClusterView) -> Bool) async {
        guard !isReached(view) else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await view in updates() where isReached(view) { return }
            }
            group.addTask { try? await Task.sleep(for: limit) }
            await group.next()
            group.cancelAll()
        }
    }
}
