"""What people say in the pictures of the pages: made up, and the same each time."""

from __future__ import annotations

ENGLISH_QUESTION = (
    "Our nightly backup takes four hours. Which compression should I use, and how do I call it?"
)

ENGLISH_REASONING = """The reader has a nightly backup that is too slow. Four hours suggests that gzip runs on
one core. Compare gzip, xz and zstd by speed and size, recommend one and show the command.

zstd -T0 uses all cores; level 3 is the default. Mention how to restore."""

ENGLISH_ANSWER = """Use **zstd**. Your backup most likely waits for `gzip`, which keeps a single core busy:

| Tool | Speed | Size left | Cores used |
| --- | ---: | ---: | --- |
| gzip -6 | 45 MB/s | 36 % | one |
| xz -6 | 9 MB/s | 29 % | one |
| **zstd -3 -T0** | **1,150 MB/s** | 34 % | all |

Pipe the archive through it, and keep a checksum beside it:

```bash
tar -cf - /srv/data | zstd -3 -T0 -o "backup-$(date +%F).tar.zst"
sha256sum backup-*.tar.zst > SHA256SUMS   # verify before you restore
```

At this speed your disks are the limit, so four hours should become *about twenty minutes*."""

KOREAN_QUESTION = "주간 보고서에 쓸 매출 표를 만들어 주세요. 파이썬으로 합계를 계산하는 코드도 부탁드립니다."

KOREAN_REASONING = """사용자가 주간 보고서에 넣을 표와 합계를 계산하는 코드를 원한다. 지점별 매출을 표로
정리하고, pandas보다 간단한 표준 라이브러리 코드로 보여 주는 것이 좋겠다."""

KOREAN_ANSWER = """지난주 매출을 지점별로 정리했습니다. **부산점**이 가장 많이 늘었습니다.

| 지점 | 매출 (만 원) | 지난주 대비 |
| --- | ---: | ---: |
| 서울점 | 4,820 | +3.1 % |
| **부산점** | **3,675** | **+12.4 %** |
| 대전점 | 2,190 | −1.8 % |

합계는 다음 코드로 계산할 수 있습니다.

```python
import csv

with open("sales.csv", encoding="utf-8") as file:
    total = sum(int(row["sales"]) for row in csv.DictReader(file))

print(f"이번 주 매출 합계: {total:,}만 원")  # 10,685만 원
```

보고서에는 표와 함께 *대전점의 감소 이유*를 한 줄로 덧붙이시면 좋습니다."""

TURNS: dict[str, tuple[str, str, str]] = {
    "A faster nightly backup": (ENGLISH_QUESTION, ENGLISH_REASONING, ENGLISH_ANSWER),
    "주간 매출 보고서": (KOREAN_QUESTION, KOREAN_REASONING, KOREAN_ANSWER),
}
"""By title: a question, what the model thought, and its answer."""

OTHERS: list[tuple[str, str, str]] = [
    ("Names for the new printer", "Suggest friendly names.", "How about *Gutenberg*, *Inky* or *Paperino*?"),
    (
        "회의록 요약",
        "회의록을 세 줄로 요약해 주세요.",
        "배포는 목요일로 미루고, 백업 점검을 먼저 하기로 했습니다.",
    ),
    ("Regular expression for postcodes", "Match Korean postcodes.", r"Use `^\d{5}$`: five digits."),
    (
        "고객 답장 다듬기",
        "답장을 더 정중하게 고쳐 주세요.",
        "불편을 드려 죄송합니다. 백업에서 바로 복구하겠습니다.",
    ),
    (
        "Why does my query not use the index?",
        "It scans the table.",
        "The cast on the column hides the index.",
    ),
    (
        "Slack message about the outage",
        "Draft a short message.",
        "The backup server is back; no data was lost.",
    ),
    ("신입 사원 교육 계획", "첫 주 계획을 세워 주세요.", "첫날에는 장비와 계정을 준비합니다."),
    ("Unit tests for the parser", "What should I test?", "Empty input, one token, and a broken quote."),
    ("제주도 워크숍 일정", "1박 2일 일정을 짜 주세요.", "첫날 오전에는 회의, 오후에는 한라산에 갑니다."),
    (
        "Explain Raft in five sentences",
        "Five sentences, please.",
        "A leader is elected by a majority of nodes.",
    ),
    ("도커 이미지 줄이기", "이미지가 너무 큽니다.", "여러 단계로 빌드하면 크기가 절반 이하로 줄어듭니다."),
    ("Restore test of the backup", "How often?", "Restore a backup each month, on a machine of its own."),
    ("영문 이력서 첨삭", "첫 문단을 봐 주세요.", "동사로 시작하면 더 힘이 있습니다."),
    ("Cron or systemd timers?", "Which one is better?", "Timers log, catch up after sleep and have jitter."),
    ("SQL 쿼리 속도 개선", "쿼리가 느립니다.", "정렬에 맞는 인덱스를 추가하세요."),
    ("Translate the release notes", "Into Korean, please.", "다음과 같이 옮겼습니다."),
    ("발표 자료 목차", "목차를 제안해 주세요.", "문제, 방법, 결과, 다음 단계 순서를 권합니다."),
    (
        "A haiku about GPUs",
        "Write one.",
        "Two quiet turbines; a thousand threads wait their turn. Snow on the heat sinks.",
    ),
]
"""Title, question and answer of the other conversations, the one used last first."""

SYSTEM_PROMPT = (
    "You help the operators of a small data centre.\nAnswer briefly, with commands that can be pasted."
)
SYSTEM_PROMPT_KOREAN = "당신은 작은 쇼핑몰의 업무를 돕습니다.\n항상 존댓말로, 표를 곁들여 짧게 답합니다."
SAVED_PROMPTS = {"Operators": SYSTEM_PROMPT, "쇼핑몰 업무": SYSTEM_PROMPT_KOREAN}
