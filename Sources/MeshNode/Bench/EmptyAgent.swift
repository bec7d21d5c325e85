import ArgumentParser
import ChildProcesses
import Hummingbird

/// An agent that does nothing but serve HTTP: what the program and its libraries cost before the first node begins.
/// `bench mesh` measures real agents against it.
struct EmptyAgent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "empty-agent", abstract: "Serve nothing, until the input ends.", shouldDisplay: false)

    func run() async throws {
        InputWatch.endProcessWithInput()
        let router = Router()
        router.get("/") { _, _ in HTTPResponse.Status.noContent }
        let application = Application(
            router: router, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)))
        try await application.runService()
    }
}
