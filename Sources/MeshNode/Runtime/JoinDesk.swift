import Authority
import NodeCore
import Primitives
import SecureChannel

/// Lets machines with a join token in. On the loop's thread of a core node, behind its mesh port.
///
/// A machine whose request was admitted and whose answer was lost asks again with the same keys, and is welcomed again: a
/// token is good for one node, not for one attempt.
final class JoinDesk {
    /// What the loop does for it.
    struct Loop {
        let view: () -> ClusterView
        let now: () -> Instant
        let submit: (AuthorityCommand, @escaping (NodeAnswer) -> Void) -> Void
    }

    /// The roster may change at the same moment: then the record is signed anew, a few times.
    private static let triesMax = 4

    private let identity: Identity
    /// The file, as every node of the mesh has it.
    private let genesis: [UInt8]
    private let coreKey: CoreKey?
    private let dataKeys: SharedDataKeys?
    private let keys: SharedKeys
    private let loop: Loop

    init(
        identity: Identity, genesis: [UInt8], coreKey: CoreKey?, dataKeys: SharedDataKeys?, keys: SharedKeys, loop: Loop
    ) {
        self.coreKey = coreKey
        self.dataKeys = dataKeys
        self.identity = identity
        self.genesis = genesis
        self.keys = keys
        self.loop = loop
    }

    /// Nil on an edge node.
    func makeChannel() -> JoinChannel? {
        let view = loop.view()
        guard view.roster.entry(of: view.me)?.isCore == true else { return nil }
        var entropy = SodiumEntropy()
        return JoinChannel(responder: identity.exchange, cluster: view.clusterID, entropy: &entropy)
    }

    /// The secret of a token that may be used now.
    func secret(of id: [UInt8]) -> SecretBytes? {
        let view = loop.view()
        guard let tokenID = JoinTokenID(bytes: id), let token = view.authority.roster.token(tokenID),
            let now = view.unixTime(at: loop.now()), now < token.expiresAt, let copy = token.copy(for: view.me)
        else { return nil }
        return SealedSecret.open(
            copy.sealed, with: identity.exchange,
            context: JoinTicket.context(cluster: view.clusterID, id: id, node: view.me))
    }

    /// Answers a request that arrived on an open channel; at once or when the mesh has decided.
    func handle(_ message: [UInt8], on channel: JoinChannel, answer: @escaping (JoinAnswer) -> Void) {
        guard let (request, signature) = try? JoinRequest.decode(message), let key = channel.otherKey,
            let keys = PublicIdentity(exchangeKey: key, signingKey: request.signingKey),
            let signed = channel.signedMessage(request.body),
            Identity.verify(signature, of: signed, by: request.signingKey),
            let token = JoinTokenID(bytes: channel.tokenID)
        else { return answer(.refused("the request is not signed by the key that it names")) }
        admit(request, keys, token, attempt: 1, answer)
    }

    private func admit(
        _ request: JoinRequest, _ keys: PublicIdentity, _ id: JoinTokenID, attempt: Int,
        _ answer: @escaping (JoinAnswer) -> Void
    ) {
        let view = loop.view()
        guard let token = view.authority.roster.token(id) else { return answer(.refused(Self.spent)) }
        if token.usedBy == keys.nodeID, view.roster.entry(of: keys.nodeID) != nil {
            return answer(welcome(token, view))
        }
        guard token.usedBy == nil else { return answer(.refused(Self.spent)) }
        guard let exchange = Bytes32(keys.exchangeKey), let signing = Bytes32(keys.signingKey),
            let name = Label(request.name)
        else { return answer(.refused("'\(request.name)' is no name for a node")) }
        let member = RosterMember(
            name: name, node: keys.nodeID, exchangeKey: exchange, signingKey: signing, replica: request.replica,
            isCore: token.isCore, rank: token.rank, mayVote: token.mayVote, endpoint: request.endpoint)
        let command = RecordSigner(identity).sign(.admit(Admission(token: id, member: member)), for: view)
        loop.submit(command) { [self] outcome in
            switch outcome {
            case .committed(.done, _): answer(welcome(token, loop.view()))
            case .committed(.refused(.rosterChanged), _) where attempt < Self.triesMax:
                admit(request, keys, id, attempt: attempt + 1, answer)
            case .committed(.refused(let refusal), _): answer(.refused(Self.explain(refusal, request.name)))
            case .committed, .readable: answer(.refused("the mesh gave an answer that this node does not know"))
            case .refused(let refusal): answer(.refused(refusal.explanation))
            }
        }
    }

    private func welcome(_ token: JoinToken, _ view: ClusterView) -> JoinAnswer {
        let keyring = keys.current.keyring
        let contacts = view.members.prefix(JoinWelcome.contactsMax).map {
            JoinWelcome.Contact(node: $0.id, name: $0.name, endpoint: $0.endpoint)
        }
        return .welcome(
            JoinWelcome(
                genesis: genesis, roster: view.authority.roster.encoded(), epoch: keyring.active,
                secret: keyring.activeSecret, coreKey: token.isCore ? coreKey : nil,
                dataKeys: token.isCore ? dataKeys?.all(following: view.authority.roster.secrets) : nil,
                contacts: Array(contacts)))
    }

    private static let spent = "the token was used, has expired or was withdrawn; ask for another"

    private static func explain(_ refusal: Refusal, _ name: String) -> String {
        switch refusal {
        case .unknownToken: spent
        case .nameTaken: "another node is called \(name); choose another name in the configuration"
        case .idTaken: "these keys belong to the mesh already, or did; remove identity.key from data_dir and try again"
        case .limitReached: "the mesh has as many nodes as it can have"
        default: "the mesh refused it (\(refusal)); try again shortly"
        }
    }
}

/// A core node's word on what changes the mesh itself.
struct RecordSigner {
    private let identity: Identity

    init(_ identity: Identity) { self.identity = identity }

    /// Good for the revision that the view shows.
    func sign(_ record: RosterRecord, for view: ClusterView) -> AuthorityCommand {
        let revision = view.authority.roster.revision
        let message = SignedRecord.message(cluster: view.clusterID, revision: revision, record: record)
        return .changeRoster(
            SignedRecord(signer: view.me, revision: revision, record: record, signature: identity.sign(message)))
    }
}
