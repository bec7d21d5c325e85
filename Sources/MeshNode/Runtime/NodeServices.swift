import Authority
import Logging
import NodeCore
import Primitives
import Routing
import SecureChannel
import ServiceLifecycle

/// Polls this node's backends until shutdown.
struct GatewayService: Service {
    let gateway: Gateway

    func run() async throws {
        await cancelWhenGracefulShutdown { await gateway.run() }
    }
}

/// Reads this machine's vitals at the configured interval and hands them to gossip.
struct HealthService: Service {
    let core: any MeshCore
    let interval: Duration
    let configured: [NodeConfig.ConfiguredGPU]

    func run() async throws {
        let probes = ProbeSet(
            configured: configured.map {
                GPUReport(
                    name: $0.name, load: $0.load, memoryUsedBytes: $0.memoryUsed, memoryTotalBytes: $0.memoryTotal,
                    source: .configured)
            })
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                core.publish(.vitals(await probes.read(now: core.now())))
                try? await Task.sleep(for: interval)
            }
        }
    }
}

/// Creates the first administrator, once, in a mesh that has no users: the core nodes propose it, and one of them is first.
struct AdministratorService: Service {
    let core: any MeshCore
    let administrator: (name: UserName, verifier: PasswordVerifier)?
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown { await createWhenNeeded() }
        try await gracefulShutdown()
    }

    private func createWhenNeeded() async {
        guard let administrator else { return }
        for await view in core.updates() {
            guard view.authority.users.isEmpty else { return }
            guard view.mayGrant(view.me) else { return }
            guard view.primary(at: core.now()) != nil else { continue }
            let reply = try? await core.submit(
                .createUser(name: administrator.name, verifier: administrator.verifier, role: .admin))
            guard let reply, reply.reply == .done else { continue }
            logger.notice(
                "first administrator", metadata: ["user": "\(administrator.name)", "reply": "\(reply.reply)"])
            return
        }
    }
}
