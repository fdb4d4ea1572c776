"""Blockchain anchor: a checkpoint of the tour's own log on a local chain, and a forged root found."""

from __future__ import annotations

import sqlite3

from salus.cli.tour.slice import Slice, Stage
from salus.errors import IntegrityError
from salus.record.database import File


def run(stage: Stage) -> str:
    """Deploy the contract on a chain in this process, anchor the log, and show it a forged one."""
    from web3 import EthereumTesterProvider, Web3

    from salus.app import anchoring

    chain = Web3(EthereumTesterProvider())
    house, contract = stage.house, anchoring.deploy(chain)
    written = anchoring.write(house, chain, contract)
    points = anchoring.check(house, chain, contract)
    forged = sqlite3.connect(":memory:", factory=File)
    own = house.store.connection
    assert isinstance(own, File)
    own.backup(forged)
    forged.execute("UPDATE log_checkpoint SET root = zeroblob(32) WHERE size = ?", (written.size,))
    try:
        anchoring.check(house, chain, contract, store=forged)
    except IntegrityError:
        return (
            f"{len(points)} checkpoint of {written.size} log entries anchored with {written.receipt.gas} gas on a "
            "local chain; a forged root was found"
        )
    finally:
        forged.close()
    raise IntegrityError("a forged root passed")


SLICE = Slice(
    name="chain",
    title="Blockchain anchor",
    says="checkpoints of the log written to a contract, and the log held to them",
    also="only roots and salted hashes go on the chain",
    capabilities=("trust.anchor",),
    run=run,
    extra="chain",
    needs=("web3", "eth_tester"),
)
