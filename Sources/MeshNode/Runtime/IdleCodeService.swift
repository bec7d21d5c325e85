import Foundation
import NodeCore
import ServiceLifecycle

#if canImport(Glibc)
    import Glibc
#endif

/// Lets go of machine code that is not being run. A start passes through twenty megabytes of program and libraries that
/// an idle agent never calls again, and the kernel counts them as resident until memory gets short.
///
/// Their pages stay in the page cache; what is called again is mapped again, sixteen pages for a soft fault of about a
/// microsecond. Linux only: elsewhere it does nothing.
package struct IdleCodeService: Service {
    /// After the start, when the mesh has found its primary, and then this often: pages that somebody's visit needed go too.
    static let interval: Duration = .seconds(600)
    let core: any MeshCore

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            for await view in core.updates() where view.primary(at: core.now()) != nil { break }
            while !Task.isCancelled {
                Self.release()
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    #if os(Linux)
        /// Unmaps the pages of everything that is mapped from a file to be executed and not to be written: nobody but a
        /// debugger changes these, so the file still has them.
        package static func release() {
            for mapping in ProcFile.read("/proc/self/maps").split(separator: "\n") {
                // from-to permissions offset device inode path
                let fields = mapping.split(separator: " ", omittingEmptySubsequences: true)
                guard fields.count > 5, fields[1] == "r-xp", fields[5].hasPrefix("/") else { continue }
                let bounds = fields[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) }
                guard bounds.count == 2, let start = UnsafeMutableRawPointer(bitPattern: bounds[0]) else { continue }
                madvise(start, Int(bounds[1] - bounds[0]), MADV_DONTNEED)
            }
        }
    #else
        package static func release() {}
    #endif
}
