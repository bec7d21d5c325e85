import Foundation
import SecureChannel

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Tells that two backends are one server behind two agents, so that what one agent measured of it counts for the other.
///
/// Four bytes of a hash of its address. A loopback address means another server on every machine, and in every network
/// namespace: there the machine's start and the namespace belong to it. Never 0, which stands for "unknown".
enum ServerFingerprint {
    static func make(of address: BackendAddress) -> UInt32 {
        let isLoopback = address.host == "localhost" || address.host.hasPrefix("127.") || address.host == "::1"
        let place = isLoopback ? network : ""
        let text = "server \(address.host) \(address.port) \(address.basePath) \(place)"
        let hash = Blake2b.hash(Array(text.utf8), byteCount: 16)
        return max(1, hash[..<4].reduce(0) { $0 << 8 | UInt32($1) })
    }

    /// The one place that asks which loopback network this process is in; empty if the system does not say.
    private static let network: String = {
        #if canImport(Darwin)
            var bytes = [CChar](repeating: 0, count: 64)
            var count = bytes.count
            guard sysctlbyname("kern.bootsessionuuid", &bytes, &count, nil, 0) == 0 else { return "" }
            return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        #else
            let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
            let namespace = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
            return (boot ?? "") + (namespace ?? "")
        #endif
    }()
}
