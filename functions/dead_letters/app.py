"""Lambda handler of the dead-letter queue: only letters that cannot be settled go back to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType

from orchestrator import runtime
from orchestrator.runtime import CallContext, Event
from orchestrator.service.dead_letters import dead_letter

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

# A batch that failed whole is answered like any other: raising would only cost a cold start.
_PROCESSOR = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def _settle(record: SQSRecord) -> None:
    try:
        dead_letter(runtime.deps(), record.message_id, record.body)
    except Exception as error:
        runtime.journal().failure(
            "dead_letter.failed", message_id=record.message_id, error=repr(error)[:500]
        )
        raise


def handler(event: Event, context: CallContext) -> Mapping[str, object]:
    """Settle each letter; answer which ones SQS must deliver again."""
    with runtime.call(context) as journal:
        with _PROCESSOR(event["Records"], _settle) as processor:
            processor.process()
        answer = cast(Mapping[str, Any], processor.response())  # It is complete after the exit.
        failed = len(answer["batchItemFailures"])
        journal.event("dead_letters.ended", letters=len(event["Records"]), failed=failed)
    return answer
