"""The lab: a laptop, a hotel's router, a hospital's gateway and its PACS, made of real parts (needs root).

    with Run.open() as run:                                    # unique name, scratch folder, nothing left behind
        town = Topology.up(run)                                # laptop - router - gateway - pacs, about 0.1 s
        papers = Papers.issue()                                # CA, gateway and device certificate
        gateway = StrongSwan.gateway(run, town.gateway, papers)            # charon answers, connections loaded
        pacs = Orthanc.start(run, town.pacs)
        laptop = Laptop.boot(run, town.laptop)                 # own /etc, user `doctor`, system bus place
        laptop.run(("/usr/bin/id",), user="doctor")

Everything is bounded by a deadline, ended by pid and removed by name when `run` closes; `sweep()` removes what a
run left whose own process is gone.
"""
