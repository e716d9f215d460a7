import Auth
import CSys
import Pooling
import TestSupport
import Testing

@testable import PoolWorker

/// The hasher answers whom it was asked by.
@Suite struct HasherTests {
    @Test func `an answer comes to the thread, the kind and the generation that asked`() {
        let inboxes = (0..<3).map { _ in SharedProbe.makeInbox() }
        defer { for inbox in inboxes { csys_close(inbox.descriptor) } }
        let hasher = Hasher(inboxes: inboxes)
        let job = HashJob(password: bytes("pw"), salt: bytes("salt"), iterations: 2)
        let (client, server) = (
            Hasher.Asker(thread: 2, isClient: true, index: 0xff_ffff, generation: .max),
            Hasher.Asker(thread: 0, isClient: false, index: 7, generation: 1)
        )
        let gone = Hasher.Asker(thread: 1, isClient: true, index: 1, generation: 1)
        for (asker, owner) in [(client, Hasher.Owner.user([1])), (gone, .user([1])), (server, .pool(7))] {
            hasher.submit(job, for: asker, owner: owner)
        }
        hasher.drop(gone)
        while hasher.work(waits: false) {}
        guard case .clientHashed(0xff_ffff, .max, let hash)? = inboxes[2].take().first,
            case .serverHashed(7, 1, let other)? = inboxes[0].take().first
        else { return #expect(Bool(false), "they were not told") }
        #expect(hash == job.run() && other == hash && inboxes[1].take().isEmpty)
    }
}
