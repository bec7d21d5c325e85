import Authority
import HTTPTypes
import NIOCore

/// The checks that the gateway's handler and Hummingbird's responder share: one route table, one authenticator, a list
/// of host names, one limit for each user.
package struct GatewayAccess: Sendable {
    package let table: RouteTable
    package let authenticator: Authenticator
    package let hosts: HostPolicy
    package let requestLimit: RateLimiter

    /// Rows that only the gateway serves, of the same kinds as those it shares with the table of all routes.
    private static let further = [
        RouteEntry(.post, "/v1/completions", .bearer(.service), .openAIChat),
        RouteEntry(.get, "/api/ps", .bearer(.service), .ollamaTags),
    ]

    package init(table: RouteTable, authenticator: Authenticator, hosts: HostPolicy, requestLimit: RateLimiter) {
        self.table = RouteTable(entries: table.entries + Self.further)
        self.authenticator = authenticator
        self.hosts = hosts
        self.requestLimit = requestLimit
    }

    package init(_ surface: HTTPSurface) {
        self.init(
            table: surface.table, authenticator: surface.authenticator, hosts: surface.hosts,
            requestLimit: surface.requestLimit)
    }
}

extension Gateway {
    /// The handlers of one connection, to stand between its HTTP/1 codec and Hummingbird.
    package func makeHandlers(_ access: GatewayAccess) -> [any RemovableChannelHandler] {
        [GatewayHandler(gateway: self, access: access)]
    }

    /// What `HTTPService` needs to put this gateway in front of its routes.
    package var hooks: GatewayHooks {
        GatewayHooks(
            handlers: { surface in
                self.onRoute { surface.routeEvents.publish($0) }
                let access = GatewayAccess(surface)
                return { self.makeHandlers(access) }
            },
            explain: { self.explain(model: $0, promptTokens: $1, maxTokens: $2) },
            askPeer: PeerAsker(gateway: self))
    }
}
