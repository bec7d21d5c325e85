import ChildProcesses
import Foundation
import MeshNode
import Synchronization

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// A `meshnode demo --json` of this build on ports of its own, for tests that need five real agents.
///
/// `start` returns when the demo says it is ready; a demo that ends before, or takes too long, throws what it said.
/// Whoever starts one stops it: `DemoProcess.run` does both.
final class DemoProcess: Sendable {
    /// The line that the demo prints for each node.
    struct Node: Decodable, Sendable {
        let node: String
        /// A URL, e.g. `http://127.0.0.1:23000`.
        let http: String
        /// Host and port.
        let mesh: String
        let pid: Int32
        let config: String
        let dir: String
    }

    /// The line that it prints when all five nodes are of use.
    struct Ready: Decodable, Sendable {
        let ready: Bool
        let primary: String
        let user: String
        let password: String
        let apiKey: String
        let models: [String]

        private enum CodingKeys: String, CodingKey {
            case ready, primary, user, password, models
            case apiKey = "api_key"
        }
    }

    /// In the order of their ports.
    let nodes: [Node]
    let ready: Ready
    private let child: DemoChild

    private init(child: DemoChild, nodes: [Node], ready: Ready) {
        self.child = child
        self.nodes = nodes
        self.ready = ready
    }

    /// The first start on a machine fetches a model, hence the long default.
    static func run<Result>(
        directory: URL, options: [String] = [], readyWithin limit: Duration = .seconds(300),
        _ body: (DemoProcess) async throws -> Result
    ) async throws -> Result {
        let demo = try await start(directory: directory, options: options, readyWithin: limit)
        do {
            let result = try await body(demo)
            await demo.stop()
            return result
        } catch {
            await demo.stop()
            throw error
        }
    }

    /// - Parameters:
    ///   - directory: keeps identities, users and logs; used again, it starts the same mesh again.
    ///   - options: more of the demo's own, such as `--no-model`.
    static func start(
        directory: URL, options: [String] = [], readyWithin limit: Duration = .seconds(300)
    ) async throws -> DemoProcess {
        let ports = try LoopbackPorts.free()
        let child = try DemoChild(
            program: try binary(),
            arguments: [
                "demo", "--json", "--dir", directory.path,
                "--configs", repository.appendingPathComponent("configs").path,
                "--base-http", String(ports.http), "--base-mesh", String(ports.mesh),
            ] + options)
        do {
            let (nodes, ready) = try await withDeadline(limit) { try await readUntilReady(child) }
            return DemoProcess(child: child, nodes: nodes, ready: ready)
        } catch {
            await child.stop()
            throw DemoTrouble("the demo is not ready: \(error)\n\(child.complaints)")
        }
    }

    /// Ends the demo, which ends its nodes.
    func stop() async { await child.stop() }

    /// The end of what the demo wrote to standard error, for a failure's message.
    var complaints: String { child.complaints }

    private static func readUntilReady(_ child: DemoChild) async throws -> ([Node], Ready) {
        var nodes: [Node] = []
        for await line in child.lines {
            if let node = try? JSONDecoder().decode(Node.self, from: line) {
                nodes.append(node)
            } else if let ready = try? JSONDecoder().decode(Ready.self, from: line) {
                return (nodes, ready)
            } else {
                let text = String(decoding: line, as: UTF8.self)
                throw DemoTrouble("it printed a line that is neither a node nor 'ready': \(text)")
            }
        }
        throw DemoTrouble("it ended after \(nodes.count) nodes")
    }

    private static func withDeadline<Value: Sendable>(
        _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask(operation: body)
            group.addTask {
                try await Task.sleep(for: limit)
                throw DemoTrouble("it took longer than \(limit)")
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() else { throw CancellationError() }
            return value
        }
    }

    // MARK: Where things lie

    /// The folder with Package.swift.
    static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The program that was built together with these tests: beside their bundle.
    static func binary() throws -> URL {
        let tests = Bundle(for: DemoProcess.self)
        for start in [Bundle.main.executableURL, tests.bundleURL, tests.executableURL].compactMap({ $0 }) {
            var folder = start.resolvingSymlinksInPath()
            // On macOS the code of a bundle lies three folders deep in it.
            for _ in 0..<4 {
                folder.deleteLastPathComponent()
                let candidate = folder.appendingPathComponent("meshnode")
                var isFolder: ObjCBool = false
                if FileManager.default.fileExists(atPath: candidate.path, isDirectory: &isFolder), !isFolder.boolValue {
                    return candidate
                }
            }
        }
        throw DemoTrouble("the program meshnode is not beside the tests; build it with `swift build --build-tests`")
    }
}

struct DemoTrouble: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The demo as a child of the tests: its lines as they come, the end of its complaints, and its end.
private final class DemoChild: Sendable {
    private static let complaintBytesMax = 16 << 10
    private static let lineCountMax = 1024
    private static let stopLimit: Duration = .seconds(15)

    /// Whole lines of its standard output. Finished when it closes that.
    let lines: AsyncStream<Data>
    private let pid: Int32
    private let end = End()
    private let stderrTail = Mutex(Data())

    var complaints: String { String(decoding: stderrTail.withLock { $0 }, as: UTF8.self) }

    init(program: URL, arguments: [String]) throws {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.terminationHandler = { [end] _ in end.hasCome.withLock { $0 = true } }
        let (lines, line) = AsyncStream<Data>.makeStream(bufferingPolicy: .bufferingOldest(Self.lineCountMax))
        self.lines = lines
        let (output, errors) = try Process.oneAtATime {
            let pipes = (Pipe(), Pipe())
            process.standardOutput = pipes.0
            process.standardError = pipes.1
            try process.runHearingSignals()
            return pipes
        }
        pid = process.processIdentifier
        Self.read(output.fileHandleForReading, into: line)
        errors.fileHandleForReading.readOnThread { [weak self] data in
            self?.stderrTail.withLock { $0 = Data(($0 + data).suffix(Self.complaintBytesMax)) }
        }
    }

    private static func read(_ handle: FileHandle, into line: AsyncStream<Data>.Continuation) {
        let rest = Mutex(Data())
        handle.readOnThread { data in
            if data.isEmpty { line.finish() }
            rest.withLock { rest in
                rest += data
                while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    line.yield(Data(rest[..<end]))
                    rest = Data(rest[rest.index(after: end)...])
                }
            }
        }
    }

    /// Asks it to end, and insists if it does not. Its nodes notice its end by themselves, however it comes.
    func stop() async {
        guard !hasEnded else { return }  // its number may be another's by now
        kill(pid, SIGTERM)
        let deadline = ContinuousClock.now + Self.stopLimit
        while !hasEnded, ContinuousClock.now < deadline {
            // Ending goes on also for a test that was cancelled; then this loop must not spin.
            if (try? await Task.sleep(for: .milliseconds(20))) == nil { usleep(20_000) }
        }
        if !hasEnded { kill(pid, SIGKILL) }
    }

    private var hasEnded: Bool { end.hasCome.withLock { $0 } }

    private final class End: Sendable {
        let hasCome = Mutex(false)
    }
}

extension FileHandle {
    /// Hands over what arrives, and an empty piece at the end, from a thread of its own. A `readabilityHandler` will not
    /// do: on Linux, libdispatch has been seen to crash when such a file was closed while it was watched.
    func readOnThread(_ take: @escaping @Sendable (Data) -> Void) {
        Thread.detachNewThread {
            while true {
                let data = self.availableData
                take(data)
                if data.isEmpty { return }
            }
        }
    }
}

/// Two runs of loopback ports that nobody listens on, below the range that systems hand out by themselves.
enum LoopbackPorts {
    private static let count = 5
    private static let attempts = 64

    static func free() throws -> (http: Int, mesh: Int) {
        // Each run is sought in a half of its own, so that the two never overlap.
        let http = try run(over: [.stream], in: 20_000..<26_000)
        let mesh = try run(over: [.stream, .datagram], in: 26_000..<32_000)
        return (http, mesh)
    }

    private enum Kind {
        case stream, datagram

        var number: Int32 {
            #if canImport(Darwin)
                self == .stream ? SOCK_STREAM : SOCK_DGRAM
            #else
                Int32((self == .stream ? SOCK_STREAM : SOCK_DGRAM).rawValue)
            #endif
        }
    }

    private static func run(over kinds: [Kind], in ports: Range<Int>) throws -> Int {
        for _ in 0..<attempts {
            let base = Int.random(in: ports.dropLast(count))
            if (base..<base + count).allSatisfy({ port in kinds.allSatisfy { isFree(port, $0) } }) { return base }
        }
        throw DemoTrouble("found no \(count) free loopback ports in a row in \(ports)")
    }

    private static func isFree(_ port: Int, _ kind: Kind) -> Bool {
        let descriptor = socket(AF_INET, kind.number, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
