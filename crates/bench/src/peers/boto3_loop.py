"""The usual loop with boto3: one message at a time, one call per step, counters by reading and writing them.

    boto3_loop.py produce --endpoint URL --stack NAME --messages N --length L
    boto3_loop.py send --endpoint URL --stack NAME

One client each for SQS and DynamoDB, with boto3's defaults. Prints one line of JSON. The time is measured from the
first request to the last response that concerns a message. The request for the queue's URL is not counted.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import string
import time
from dataclasses import dataclass
from typing import Any

import boto3

ALPHABET = string.ascii_letters + string.digits + " .,!?'-"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LIFETIME = 7 * 24 * 3600  # seconds that a message stays in the table


@dataclass
class Load:
    """The printed result."""

    messages: int
    seconds: float
    requests: int
    run: str | None = None


class Services:
    """The stack's queue and tables, and the number of their requests."""

    def __init__(self, endpoint: str, stack: str) -> None:
        self.sqs: Any = boto3.client("sqs", endpoint_url=endpoint)
        self.dynamodb: Any = boto3.client("dynamodb", endpoint_url=endpoint)
        self.messages_table = f"{stack}-messages"
        self.metrics_table = f"{stack}-metrics"
        self.queue_url: str = self.sqs.get_queue_url(QueueName=f"{stack}-queue")["QueueUrl"]
        self.requests = 0
        for client in (self.sqs, self.dynamodb):
            client.meta.events.register("before-send.*", self._count)

    def _count(self, **_: object) -> None:
        self.requests += 1


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def new_run() -> str:
    """Return a ULID: 48 bits of time and 80 random bits, in Crockford's alphabet."""
    number = now_ms() << 80 | secrets.randbits(80)
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def produce(services: Services, messages: int, length: int) -> Load:
    """Put each message into the table, then send it to the queue."""
    run = new_run()
    start = time.monotonic()
    for index in range(messages):
        message = {
            "id": f"{run}#{index:09}",
            "phone": f"+1212555{random.randrange(10_000):04}",
            "body": "".join(random.choices(ALPHABET, k=random.randint(1, length))),
        }
        created_at = now_ms()
        services.dynamodb.put_item(
            TableName=services.messages_table,
            Item={
                "id": {"S": message["id"]},
                "run": {"S": run},
                "phone": {"S": message["phone"]},
                "body": {"S": message["body"]},
                "status": {"S": "PENDING"},
                "created_at": {"N": str(created_at)},
                "expires_at": {"N": str(created_at // 1_000 + LIFETIME)},
            },
        )
        services.sqs.send_message(QueueUrl=services.queue_url, MessageBody=json.dumps(message))
    return Load(messages, time.monotonic() - start, services.requests, run)


def send(services: Services) -> Load:
    """Receive, delete, update and count one message after the other, until a receive has been empty for a second."""
    messages = 0
    last = start = time.monotonic()
    while received := services.sqs.receive_message(
        QueueUrl=services.queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=1
    ).get("Messages"):
        message_id: str = json.loads(received[0]["Body"])["id"]
        services.sqs.delete_message(QueueUrl=services.queue_url, ReceiptHandle=received[0]["ReceiptHandle"])
        conclude(services, message_id)
        count(services, message_id.split("#")[0])
        messages += 1
        last = time.monotonic()
    return Load(messages, last - start, services.requests)


def conclude(services: Services, message_id: str) -> None:
    services.dynamodb.update_item(
        TableName=services.messages_table,
        Key={"id": {"S": message_id}},
        UpdateExpression="SET #status = :status, concluded_at = :now, delivery_ms = :delivery_ms",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={
            ":status": {"S": "SENT"},
            ":now": {"N": str(now_ms())},
            ":delivery_ms": {"N": "0"},
        },
    )


def count(services: Services, run: str) -> None:
    """Read the run's counter, and write it back with one more message."""
    key = {"run": {"S": run}, "part": {"S": "boto3-loop"}}
    counter = services.dynamodb.get_item(TableName=services.metrics_table, Key=key).get("Item", {})
    sent = int(counter.get("sent", {"N": "0"})["N"]) + 1
    services.dynamodb.put_item(TableName=services.metrics_table, Item={**key, "sent": {"N": str(sent)}})


def main() -> None:
    parser = argparse.ArgumentParser(description="The usual loop with boto3.")
    jobs = parser.add_subparsers(dest="job", required=True)
    for job in (producing := jobs.add_parser("produce"), jobs.add_parser("send")):
        job.add_argument("--endpoint", required=True)
        job.add_argument("--stack", required=True)
    producing.add_argument("--messages", type=int, required=True)
    producing.add_argument("--length", type=int, required=True)
    line = parser.parse_args()
    services = Services(line.endpoint, line.stack)
    load = produce(services, line.messages, line.length) if line.job == "produce" else send(services)
    print(json.dumps({name: value for name, value in vars(load).items() if value is not None}))


if __name__ == "__main__":
    main()
