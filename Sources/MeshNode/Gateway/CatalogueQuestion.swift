import Gossip
import NodeCore
import Primitives
import Routing

/// A question about the mesh's models, answered from the published view without asking any backend.
enum CatalogueQuestion: Hashable {
    case ollamaVersion
    case ollamaTags
    /// Models in memory anywhere.
    case ollamaRunning
    case openAIModels
    case openAIModel(String)

    init?(_ operation: Operation, path: RequestPath, parameter: String) {
        switch operation {
        case .ollamaVersion: self = .ollamaVersion
        case .ollamaTags: self = path.segments.last == "ps" ? .ollamaRunning : .ollamaTags
        case .openAIModels: self = .openAIModels
        case .openAIModel: self = .openAIModel(parameter)
        default: return nil
        }
    }

    /// For `X-Mesh-Decision`.
    var label: String {
        switch self {
        case .ollamaVersion: "version"
        case .ollamaTags, .ollamaRunning, .openAIModels, .openAIModel: "list"
        }
    }

    func answer(_ gateway: Gateway) -> Result<JSONValue, GatewayError> {
        let view = gateway.view
        let created = gateway.unixMilliseconds(view)
        switch self {
        case .ollamaVersion: return .success(.object(["version": .string(MeshModel.ollamaVersion)]))
        case .ollamaTags:
            let models = MeshModel.list(in: view).map { $0.ollamaTag(modifiedAt: created) }
            return .success(.object(["models": .array(models)]))
        case .ollamaRunning:
            let models = MeshModel.list(in: view).filter(\.isLoaded).map { $0.ollamaRunning(until: created) }
            return .success(.object(["models": .array(models)]))
        case .openAIModels:
            let models = MeshModel.list(in: view).map { $0.openAIModel(created: created) }
            return .success(.object(["object": "list", "data": .array(models)]))
        case .openAIModel(let id):
            let models = MeshModel.list(in: view)
            let alias = ModelName.alias(of: id)
            guard let model = models.first(where: { $0.name == id }) ?? models.first(where: { $0.name == alias }) else {
                return .failure(.unknownModel(id))
            }
            return .success(model.openAIModel(created: created))
        }
    }
}

/// One model of the mesh: the union of what all live nodes report, by name.
struct MeshModel: Hashable {
    /// The release of Ollama whose interface this is; clients compare it with the least they need.
    static let ollamaVersion = "0.9.0"

    let name: String
    let sizeBytes: UInt64
    let family: String
    let parametersMillions: UInt32
    /// In memory on at least one node.
    let isLoaded: Bool
    /// Names of the nodes that have it.
    let nodes: [String]

    /// In byte order of their names.
    static func list(in view: ClusterView) -> [MeshModel] {
        var order: [String] = []
        var byName: [String: (model: ModelReport, nodes: [String], isLoaded: Bool)] = [:]
        for member in view.members where member.isSelf || member.state == .alive || member.state == .suspect {
            for model in member.health?.catalog?.models ?? [] {
                if byName[model.name] == nil { order.append(model.name) }
                var entry = byName[model.name] ?? (model, [], false)
                if !entry.nodes.contains(member.name) { entry.nodes.append(member.name) }
                entry.isLoaded = entry.isLoaded || model.isLoaded
                byName[model.name] = entry
            }
        }
        return order.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }.compactMap { name in
            byName[name].map { entry in
                MeshModel(
                    name: name, sizeBytes: entry.model.sizeBytes, family: entry.model.family,
                    parametersMillions: entry.model.parametersMillions, isLoaded: entry.isLoaded, nodes: entry.nodes)
            }
        }
    }

    func ollamaTag(modifiedAt: Int64) -> JSONValue {
        .object([
            "name": .string(name), "model": .string(name), "modified_at": .string(Timestamp.rfc3339(modifiedAt)),
            "size": .integer(sizeBytes), "digest": .string(digest), "details": details,
        ])
    }

    /// When a backend will drop it is its own affair: said is only that it is there now.
    func ollamaRunning(until: Int64) -> JSONValue {
        .object([
            "name": .string(name), "model": .string(name), "size": .integer(sizeBytes), "digest": .string(digest),
            "details": details, "expires_at": .string(Timestamp.rfc3339(until)), "size_vram": .integer(sizeBytes),
        ])
    }

    private var details: JSONValue {
        .object([
            "parent_model": "", "format": "gguf", "family": .string(family),
            "families": .array(family.isEmpty ? [] : [.string(family)]),
            "parameter_size": .string(parametersMillions == 0 ? "" : "\(parametersMillions)M"),
            "quantization_level": "",
        ])
    }

    func openAIModel(created: Int64) -> JSONValue {
        .object([
            "id": .string(name), "object": "model", "created": .integer(created / 1000),
            "owned_by": .string(nodes.joined(separator: ",")),
        ])
    }

    /// Clients want one and show its beginning. Weights of one name on several nodes may differ, so it is the name's.
    private var digest: String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Hex.encode((0..<32).map { UInt8(truncatingIfNeeded: hash >> (UInt64($0 % 8) * 8)) })
    }
}
