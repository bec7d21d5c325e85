import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Primitives
import UVLoop

/// The web interface's files, read once at start and served from memory.
///
/// They lie in a folder beside the binary. The package manager's own lookup falls back to a path of the machine that
/// built the binary and traps elsewhere; this one says where it looked.
package struct InterfaceFiles: Sendable {
    static let totalBytesMax = 16 << 20
    static let folderName = "MeshNode_MeshNode"

    struct File: Sendable {
        let bytes: ByteBuffer
        let contentType: String
        let entityTag: String
    }

    private let files: [String: File]

    /// Sorted.
    package var names: [String] { files.keys.sorted() }

    /// The folder that holds `index.html`; looks beside the running binary, as every platform lays it out.
    package static func locate() throws(StartFailure) -> String {
        let folder = OwnBinary.folder
        let layouts = [
            "\(folderName).resources/Files", "\(folderName).bundle/Contents/Resources/Files",
            "\(folderName).bundle/Files",
        ]
        // A test bundle on macOS lies three folders deeper than the resources.
        for root in [folder, folder + "/../../.."] {
            for layout in layouts where (try? FileStatus("\(root)/\(layout)/index.html")) != nil {
                return "\(root)/\(layout)"
            }
        }
        throw StartFailure(
            "the interface's files are missing: keep the folder \(folderName).resources (\(folderName).bundle on macOS) "
                + "beside the binary, in \(folder)")
    }

    package init(folder: String) throws(StartFailure) {
        var files: [String: File] = [:]
        var total = 0
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? [] {
            let path = "\(folder)/\(name)"
            guard (try? FileStatus(path).kind) == .file else { continue }
            guard let data = FileManager.default.contents(atPath: path) else {
                throw StartFailure("cannot read \(path): \(String(cString: strerror(errno)))")
            }
            total += data.count
            guard total <= Self.totalBytesMax else {
                throw StartFailure(
                    "\(folder) holds more than \(Self.totalBytesMax) bytes; it should hold the interface alone")
            }
            files[name] = File(
                bytes: ByteBuffer(bytes: data), contentType: Self.contentType(of: name),
                entityTag: "\"" + Hex.encode(SHA256.hash(data: data).prefix(16)) + "\"")
        }
        guard files["index.html"] != nil else { throw StartFailure("\(folder) has no index.html") }
        self.files = files
    }

    /// 200 with the file, 304 where the client has it already, nil where there is no such file.
    func response(_ name: String, ifNoneMatch: String?) -> Response? {
        guard let file = files[name] else { return nil }
        var headers: HTTPFields = [.contentType: file.contentType, .eTag: file.entityTag, .cacheControl: "no-cache"]
        headers[.vary] = name == "index.html" ? "Accept" : nil
        let known = ifNoneMatch?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } ?? []
        if known.contains(file.entityTag) || known.contains("*") || known.contains("W/" + file.entityTag) {
            return Response(status: .notModified, headers: headers)
        }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: file.bytes))
    }

    private static func contentType(of name: String) -> String {
        switch name.split(separator: ".").last {
        case "html": "text/html; charset=utf-8"
        case "js", "mjs": "text/javascript; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "svg": "image/svg+xml"
        case "png": "image/png"
        case "ico": "image/x-icon"
        case "json": "application/json"
        case "webmanifest": "application/manifest+json"
        case "woff2": "font/woff2"
        default: "application/octet-stream"
        }
    }
}

/// Why a node's HTTP side does not start, in one line for a person: what was found and what to do.
package struct StartFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
