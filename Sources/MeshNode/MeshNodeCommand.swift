import ArgumentParser

@main
struct MeshNodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meshnode",
        abstract: "One agent per machine: gossip, one authority, every prompt to the node that answers first.",
        version: Agent.version,
        subcommands: [
            RunCommand.self, InitCommand.self, DemoCommand.self, StatusCommand.self, SimulateCommand.self,
            BenchCommand.self, DoctorCommand.self,
        ])
}
