"""Make src/salus/findings/tables/source_attributes.json: the 31 source attributes of 45 CFR 170.315(b)(11)(iv).

python tools/make_source_attributes.py PATH/TO/hti1_dsi_source_attributes.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src" / "salus" / "findings" / "tables" / "source_attributes.json"


def main() -> None:
    facts = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    table = {
        "source": f"45 CFR 170.315(b)(11)(iv), predictive decision support interventions; {facts['source']}",
        "licence": "regulation of the United States: not subject to copyright",
        "attributes": [{k: row[k] for k in ("n", "key", "group", "text")} for row in facts["predictive"]],
    }
    TARGET.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{TARGET}: {len(table['attributes'])} attributes")


if __name__ == "__main__":
    main()
