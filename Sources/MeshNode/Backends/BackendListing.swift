import Routing

/// Reads the lists in which model servers say what they have. What is missing or odd is left out; a list never fails.
enum BackendListing {
    /// Longest list that is looked at.
    private static let modelCountMax = 512

    static func ollama(tags: JSONValue, running: JSONValue?) -> [FoundModel] {
        let loaded = Set((running?["models"]?.elements ?? []).compactMap { $0["name"]?.text ?? $0["model"]?.text })
        return (tags["models"]?.elements ?? []).prefix(modelCountMax).compactMap { entry in
            guard let name = entry["name"]?.text ?? entry["model"]?.text else { return nil }
            var model = FoundModel(name: name, isLoaded: loaded.contains(name))
            model.sizeBytes = UInt64(max(entry["size"]?.integer ?? 0, 0))
            model.family = entry["details"]?["family"]?.text ?? ""
            model.parametersMillions = millions(entry["details"]?["parameter_size"]?.text ?? "")
            model.pool = pool(name: name, family: model.family)
            return model
        }
    }

    /// `meta` is llama-server's addition, `max_model_len` is vLLM's.
    static func openAI(_ list: JSONValue) -> [FoundModel] {
        (list["data"]?.elements ?? []).prefix(modelCountMax).compactMap { entry in
            guard let name = entry["id"]?.text else { return nil }
            var model = FoundModel(name: name, isLoaded: true)
            let meta = entry["meta"]
            model.sizeBytes = UInt64(max(meta?["size"]?.integer ?? 0, 0))
            model.parametersMillions = UInt32(clamping: (meta?["n_params"]?.integer ?? 0) / 1_000_000)
            model.contextTokens = UInt32(
                clamping: entry["max_model_len"]?.integer ?? meta?["n_ctx_train"]?.integer ?? 0)
            model.pool = pool(name: name, family: "")
            return model
        }
    }

    /// Reads `8.0B`, `134.52M`; 0 for anything else.
    private static func millions(_ text: String) -> UInt32 {
        guard let unit = text.last, let figure = Double(text.dropLast()), figure.isFinite, figure >= 0 else { return 0 }
        switch unit {
        case "B", "b": return UInt32(min(figure * 1000, 4e9))
        case "M", "m": return UInt32(min(figure, 4e9))
        default: return 0
        }
    }

    /// Servers do not say what a model is for; embedding models say it in their names.
    private static func pool(name: String, family: String) -> ModelReport.Pool {
        let isEmbedding = ["embed", "bge-", "minilm"].contains { name.lowercased().contains($0) }
        return isEmbedding || family.hasSuffix("bert") ? .embedding : .generation
    }
}
