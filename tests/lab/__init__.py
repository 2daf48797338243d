"""The lab: a laptop, a hotel's router, a hospital's gateway and its PACS, made of real parts (needs root).

    with Run.open() as run:                                    # unique name, scratch folder, nothing left behind
        town = Topology.up(run)                                # laptop - router - gateway - pacs, about 0.1 s
        papers = Papers.issue()                                # CA, gateway and device certificate
        files = papers.write_device(run)                       # .certificate .key .anchors, for the policy
        gateway = StrongSwan.gateway(run, town.gateway, papers)             # charon answers, connection loaded
        gateway = StrongSwan.gateway(run, town.gateway, papers, replace(GATEWAY_SIDE, ike_proposals="..."), Charon(...))
        pacs, study = Orthanc.start(run, town.pacs), Study.make(run)
        pacs.upload(study.files)
        start_resolver(run, town.pacs)                         # pacs.hospital.test at 10.50.0.53
        laptop = Laptop.boot(run, town.laptop)                 # own /etc, /home, /run, user `doctor` (laptop.uid)
        wifi = Wifi.start(run, laptop)                         # wifi.address is the system bus
        wifi.switch_to(wifi.open_network("CafeFree"))
        before, wire = Snapshot.take(laptop), Capture.start(run, town.router)
        town.send_clear_probe()
        wire.wait_for(Sort.CLEAR); mark = len(wire.packets())
        sekisho = Endpoint.install(run, laptop, "sekisho", policy_text, wifi.address)
        sekisho.start()                                                     # sekisho-look, sekishod
        sekisho.sekisho("connect", "--json").lines             # as the doctor
        fetch(laptop.enter, study.uid).digests == study.digests
        stranger = Unapproved.start(laptop); stranger.end()    # really runs as the doctor
        in_clear(wire.stop()[mark:]) == ()
        before.difference(Snapshot.take(laptop)) == ""

`Scene.set(run)` does the first half of this in one go: all but PACS, name server, capture and Sekisho itself.
`road` makes the way bad (lose, cut, narrow, drop_fragments) and heals it; `town.rebind` changes the NAT's ports;
`traffic` times the first answered ping and measures throughput; `town.laptop.inside(lambda: socket.socket(...))`
opens a socket of this process inside a namespace; `preflight.require()` says what the machine lacks.

Everything is bounded by a deadline, ended by pid and removed by name when `run` closes; `sweep()` removes what a
run left whose own process is gone.
"""
