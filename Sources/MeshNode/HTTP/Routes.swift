import Authority
import HTTPTypes

/// What a request may ask for; `Responder` and the gateway's handler each serve their part.
package enum Operation: Hashable, Sendable {
    case home, interfaceFile, keySet, metrics, health, live, ready
    case login, refresh, logout, browserToken, me, sessions, endSession, endSessions
    case status, events, explainRoute, leave
    case listValues, readValue, writeValue, deleteValue
    case listLocks, acquireLock, renewLock, releaseLock, removeMember
    case publishEvent, followTopic
    case listUsers, createUser, setRole, setPassword, removeUser
    case listKeys, createKey, removeKey
    case showSecret, rotateSecret
    case listTokens, createToken, removeToken, listRoster, revokeNode
    case ollamaVersion, ollamaTags, ollamaChat, ollamaGenerate
    case openAIModels, openAIModel, openAIChat

    /// Served by the gateway's channel handler, ahead of Hummingbird.
    package var isGateways: Bool {
        switch self {
        case .ollamaVersion, .ollamaTags, .ollamaChat, .ollamaGenerate, .openAIModels, .openAIModel, .openAIChat: true
        default: false
        }
    }

    /// Served by `ValueHandler` where it can.
    var isAboutOneValue: Bool {
        switch self {
        case .readValue, .writeValue, .deleteValue: true
        default: false
        }
    }
}

extension RouteTable {
    /// Every endpoint of a node. `files` are the names of the interface's files, e.g. `app.js`.
    package static func standard(files: [String]) -> RouteTable {
        RouteTable(entries: endpoints + files.map { RouteEntry(.get, "/\($0)", .anonymous, .interfaceFile) })
    }

    /// What the local socket serves: the same, but for the interface, and what only this machine may ask of its agent.
    package static let local = RouteTable(
        entries: endpoints + [RouteEntry(.post, "/mesh/v1/leave", .signedIn(.admin), .leave)])

    private static let endpoints: [RouteEntry] = [
        RouteEntry(.get, "/", .anonymous, .home),
        RouteEntry(.get, "/health", .anonymous, .health),
        RouteEntry(.get, "/health/live", .anonymous, .live),
        RouteEntry(.get, "/health/ready", .anonymous, .ready),
        RouteEntry(.get, "/metrics", .bearer(.service), .metrics),
        RouteEntry(.get, "/.well-known/jwks.json", .anonymous, .keySet),

        RouteEntry(.post, "/mesh/v1/auth/login", .anonymous, .login),
        RouteEntry(.post, "/mesh/v1/auth/refresh", .anonymous, .refresh),
        RouteEntry(.post, "/mesh/v1/auth/logout", .signedIn(.service), .logout),
        RouteEntry(.post, "/mesh/v1/auth/token", .signedIn(.user), .browserToken),
        RouteEntry(.get, "/mesh/v1/auth/me", .signedIn(.service), .me),
        RouteEntry(.get, "/mesh/v1/auth/sessions", .signedIn(.user), .sessions),
        RouteEntry(.delete, "/mesh/v1/auth/sessions", .signedIn(.user), .endSessions),
        RouteEntry(.delete, "/mesh/v1/auth/sessions/{id}", .signedIn(.user), .endSession),

        RouteEntry(.get, "/mesh/v1/status", .signedIn(.user), .status),
        RouteEntry(.get, "/mesh/v1/events", .signedIn(.user), .events),
        RouteEntry(.post, "/mesh/v1/route/explain", .signedIn(.user), .explainRoute),

        RouteEntry(.get, "/mesh/v1/kv", .signedIn(.user), .listValues),
        RouteEntry(.get, "/mesh/v1/kv/{key...}", .signedIn(.user), .readValue),
        RouteEntry(.put, "/mesh/v1/kv/{key...}", .signedIn(.user), .writeValue),
        RouteEntry(.delete, "/mesh/v1/kv/{key...}", .signedIn(.user), .deleteValue),

        RouteEntry(.get, "/mesh/v1/locks", .signedIn(.user), .listLocks),
        RouteEntry(.post, "/mesh/v1/locks/{name...}", .signedIn(.user), .acquireLock),
        RouteEntry(.put, "/mesh/v1/locks/{name...}", .signedIn(.user), .renewLock),
        RouteEntry(.delete, "/mesh/v1/locks/{name...}", .signedIn(.user), .releaseLock),

        RouteEntry(.post, "/mesh/v1/topics/{name...}", .signedIn(.user), .publishEvent),
        RouteEntry(.get, "/mesh/v1/topics/{name...}", .signedIn(.user), .followTopic),

        RouteEntry(.delete, "/mesh/v1/members/{name}", .signedIn(.admin), .removeMember),

        RouteEntry(.get, "/mesh/v1/secret", .signedIn(.admin), .showSecret),
        RouteEntry(.post, "/mesh/v1/secret", .signedIn(.admin), .rotateSecret),
        RouteEntry(.get, "/mesh/v1/tokens", .signedIn(.admin), .listTokens),
        RouteEntry(.post, "/mesh/v1/tokens", .signedIn(.admin), .createToken),
        RouteEntry(.delete, "/mesh/v1/tokens/{id}", .signedIn(.admin), .removeToken),
        RouteEntry(.get, "/mesh/v1/roster", .signedIn(.admin), .listRoster),
        RouteEntry(.post, "/mesh/v1/members/{name}/revoke", .signedIn(.admin), .revokeNode),

        RouteEntry(.get, "/mesh/v1/users", .signedIn(.admin), .listUsers),
        RouteEntry(.post, "/mesh/v1/users", .signedIn(.admin), .createUser),
        RouteEntry(.put, "/mesh/v1/users/{name}/role", .signedIn(.admin), .setRole),
        RouteEntry(.put, "/mesh/v1/users/{name}/password", .signedIn(.user), .setPassword),
        RouteEntry(.delete, "/mesh/v1/users/{name}", .signedIn(.admin), .removeUser),

        RouteEntry(.get, "/mesh/v1/keys", .signedIn(.user), .listKeys),
        RouteEntry(.post, "/mesh/v1/keys", .signedIn(.user), .createKey),
        RouteEntry(.delete, "/mesh/v1/keys/{id}", .signedIn(.user), .removeKey),

        RouteEntry(.get, "/api/version", .anonymous, .ollamaVersion),
        RouteEntry(.get, "/api/tags", .bearer(.service), .ollamaTags),
        RouteEntry(.post, "/api/chat", .bearer(.service), .ollamaChat),
        RouteEntry(.post, "/api/generate", .bearer(.service), .ollamaGenerate),
        RouteEntry(.get, "/v1/models", .bearer(.service), .openAIModels),
        RouteEntry(.get, "/v1/models/{id...}", .bearer(.service), .openAIModel),
        RouteEntry(.post, "/v1/chat/completions", .bearer(.service), .openAIChat),
    ]
}
