import Foundation
import Primitives

/// Who listens on a port that we wanted, for the error message: another program of the machine, as far as this process
/// may see it. Linux only; elsewhere, and where it cannot be seen, the message does without.
enum PortHolder {
    static func explain(_ endpoint: Endpoint) -> String {
        let holder = find(port: endpoint.port).map { " by \($0)" } ?? ""
        return "http.listen \(endpoint) is already in use\(holder): stop that program, or choose another port"
    }

    #if os(Linux)
        /// `/proc/net/tcp` names the listening socket's inode, and the holder has a descriptor that links to it (proc(5)).
        private static func find(port: UInt16) -> String? {
            let hexPort = String(port, radix: 16, uppercase: true)
            let suffix = ":" + String(repeating: "0", count: 4 - hexPort.count) + hexPort
            let listening = "0A"
            for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
                for line in ProcFile.read(table).split(separator: "\n").dropFirst() {
                    let fields = line.split(separator: " ")
                    guard fields.count > 9, fields[1].hasSuffix(suffix), fields[3] == listening else { continue }
                    return owner(ofSocket: String(fields[9]))
                }
            }
            return nil
        }

        private static func owner(ofSocket inode: String) -> String? {
            let files = FileManager.default
            for process in (try? files.contentsOfDirectory(atPath: "/proc")) ?? [] where Int(process) != nil {
                let folder = "/proc/\(process)/fd"
                for descriptor in (try? files.contentsOfDirectory(atPath: folder)) ?? [] {
                    let target = try? files.destinationOfSymbolicLink(atPath: "\(folder)/\(descriptor)")
                    guard target == "socket:[\(inode)]" else { continue }
                    let name = try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8)
                    return "\(name?.trimmingCharacters(in: .whitespacesAndNewlines) ?? "process") (pid \(process))"
                }
            }
            return nil
        }
    #else
        private static func find(port: UInt16) -> String? { nil }
    #endif
}
