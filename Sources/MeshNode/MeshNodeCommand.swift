import ArgumentParser
import AsyncHTTPClient
import Hummingbird
import HummingbirdTLS
import JWTKit
import Logging
import NIOCore
import ServiceLifecycle
import Yams

@main
struct MeshNodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "meshnode")
    func run() async throws {}
}
