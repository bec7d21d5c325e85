#if os(Linux)
    import Foundation
    import Glibc
    import Testing

    import MeshNode

    @Suite("Idle code")
    struct IdleCodeTests {
        @Test("pages of code that nobody runs are let go of, what was written to is kept, and both read as before")
        func release() throws {
            let pages = 64
            let size = pages * Int(getpagesize())
            let path = FileManager.default.temporaryDirectory.appendingPathComponent("code-\(UUID().uuidString)").path
            try Data(repeating: 7, count: size).write(to: URL(fileURLWithPath: path))
            defer { try? FileManager.default.removeItem(atPath: path) }
            let code = try map(path, size, PROT_READ | PROT_EXEC)
            let data = try map(path, size, PROT_READ | PROT_WRITE)
            defer {
                munmap(code, size)
                munmap(data, size)
            }
            data.storeBytes(of: 9, as: UInt8.self)
            #expect(sum(code, size) == 7 * pages)
            #expect(sum(data, size) == 7 * pages + 2)
            #expect(try resident(path, "r-xp") == size)

            IdleCodeService.release()

            #expect(try resident(path, "r-xp") == 0)
            #expect(try resident(path, "rw-p") == size)
            #expect(sum(code, size) == 7 * pages)
            #expect(sum(data, size) == 7 * pages + 2)
        }

        private func map(_ path: String, _ size: Int, _ protection: Int32) throws -> UnsafeMutableRawPointer {
            let descriptor = open(path, O_RDONLY)
            defer { close(descriptor) }
            let mapping = mmap(nil, size, protection, MAP_PRIVATE, descriptor, 0)
            return try #require(mapping != MAP_FAILED ? mapping : nil)
        }

        /// The first byte of each page.
        private func sum(_ mapping: UnsafeMutableRawPointer, _ size: Int) -> Int {
            stride(from: 0, to: size, by: Int(getpagesize())).reduce(0) {
                $0 + Int(mapping.load(fromByteOffset: $1, as: UInt8.self))
            }
        }

        /// Bytes of the file's mapping with these permissions that this process has mapped pages for.
        private func resident(_ path: String, _ permissions: String) throws -> Int {
            let lines = ProcFile.read("/proc/self/smaps").split(separator: "\n")
            let heading = try #require(lines.firstIndex { $0.hasSuffix(path) && $0.contains(" \(permissions) ") })
            let rss = try #require(lines[heading...].first { $0.hasPrefix("Rss:") })
            return try #require(Int(rss.split(separator: " ")[1])) * 1024
        }
    }
#endif
