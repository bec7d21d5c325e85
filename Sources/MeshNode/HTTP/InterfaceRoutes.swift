import HTTPTypes
import Hummingbird

/// The web interface, and the greeting that Ollama's clients look for at the same place.
struct InterfaceRoutes {
    let files: InterfaceFiles

    /// A browser asks for HTML by name; everything else gets the line that Ollama's clients know.
    func home(_ exchange: Exchange) -> Response {
        let accepted = exchange.request.headers[values: .accept].joined(separator: ",").lowercased()
        guard accepted.contains("text/html"),
            let page = files.response("index.html", ifNoneMatch: exchange.request.headers[.ifNoneMatch])
        else {
            var greeting = Response.text("Ollama is running")
            greeting.headers[.vary] = "Accept"
            return greeting
        }
        return page
    }

    func file(_ exchange: Exchange) throws(Problem) -> Response {
        let name = exchange.path.remainder(from: 0)
        guard let response = files.response(name, ifNoneMatch: exchange.request.headers[.ifNoneMatch]) else {
            throw .notFound("There is no file \(name).")
        }
        return response
    }
}
