# SPDX-License-Identifier: GPL-2.0-only
"""ynl_client.py YNL SPEC IFINDEX QUEUE FD: what a user of the kernel's YNL library does with the family, as JSON.

A program of its own: YNL's package is called `lib` in 6.12, as ours is.
"""

from __future__ import annotations

import errno
import importlib
import json
import sys
from pathlib import Path
from typing import Any


def main(ynl: str, spec: str, ifindex: int, queue: int, fd: int) -> None:
    sys.path.insert(0, ynl)
    module = importlib.import_module("pyynl.lib" if (Path(ynl) / "pyynl").is_dir() else "lib")

    def family() -> Any:
        # No schema: it lies beside the kernel's own specs, and `generate-netlink.sh --check` has validated ours
        return module.YnlFamily(spec, schema="")

    asking, watching = family(), family()
    watching.ntf_subscribe("events")
    bind = {"ifindex": ifindex, "queues": [queue], "provider": "dmabuf", "dmabuf-fd": fd}
    said = {"providers": asking.dump("provider-get", {}), "dev": asking.do("dev-get", {"ifindex": ifindex})}
    said["bind"] = asking.do("bind-rx", bind)
    said["binding"] = asking.do("binding-get", said["bind"])
    said["pools"] = [pool for pool in asking.dump("pool-get", {}) if pool.get("binding") == said["bind"]["id"]]
    said["refused"] = []
    for op, request in (("bind-rx", bind), ("bind-rx", {"ifindex": ifindex}), ("unbind", {"id": 1 << 30})):
        try:
            asking.do(op, request)
        except module.NlError as refusal:
            extack = refusal.nl_msg.extack or {}
            said["refused"].append(
                [errno.errorcode[abs(refusal.error)], extack.get("msg", ""), extack.get("miss-type", "")]
            )
    asking.do("unbind", said["bind"])
    said["left"] = [binding["id"] for binding in asking.dump("binding-get", {})]
    watching.check_ntf()
    events = watching.async_msg_queue
    events = events if isinstance(events, list) else list(events.queue)  # 6.12 has a list
    said["told"] = [[event["name"], event["msg"]["id"]] for event in events]
    sys.stdout.write(json.dumps(said, default=sorted))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(word) for word in sys.argv[3:6]))
