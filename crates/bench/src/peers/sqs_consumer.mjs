// A sender without delivery times, built on the package sqs-consumer.
//
//     node sqs_consumer.mjs --endpoint URL --stack NAME [--one-by-one] [--consumers N]
//
// Each consumer receives ten messages and writes their outcomes with one batch of conditional updates; the package
// deletes them with one batch. The package has one poll at a time, so several consumers share the process and its two
// clients. `--one-by-one` follows the package's README: a handler of one message, called for the ten concurrently, and
// one delete per message.
// Prints one line of JSON. The time is measured from the first request to the last response that concerns a message.
// The request for the queue's URL is not counted.

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { parseArgs } from "node:util";

import { BatchExecuteStatementCommand, DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { GetQueueUrlCommand, SQSClient } from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";

const { endpoint, stack, consumers, "one-by-one": oneByOne } = parseArgs({
  options: {
    endpoint: { type: "string" },
    stack: { type: "string" },
    // The fastest setting, both without latency and at 20 ms. More than 50 would wait for each other's connections.
    consumers: { type: "string", default: "32" },
    "one-by-one": { type: "boolean", default: false },
  },
}).values;

const dynamodb = new DynamoDBClient({ endpoint });
// The queue's URL may name another host than the endpoint that is measured.
const sqs = new SQSClient({ endpoint, useQueueUrlAsEndpoint: false });
const { QueueUrl: queueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: `${stack}-queue` }));

let requests = 0;
const countRequest = (next) => (call) => {
  requests += 1;
  return next(call);
};
for (const client of [dynamodb, sqs]) {
  // After the retry middleware, so that each attempt counts.
  client.middlewareStack.add(countRequest, { step: "finalizeRequest", priority: "low", name: "countRequest" });
}

const sender = `sqs-consumer-${process.pid}`;
const update =
  `UPDATE "${stack}-messages" SET "status"=? SET concluded_at=? SET delivery_ms=? SET sender=? SET attempt=? ` +
  `WHERE id=? AND "status"=?`;

// Writes the outcomes of a batch, and returns the messages that can be deleted: those with an outcome, from this or an
// earlier attempt. The others are received again.
async function conclude(messages) {
  const Statements = messages.map((message) => ({
    Statement: update,
    Parameters: [
      { S: "SENT" },
      { N: `${Date.now()}` },
      { N: "0" },
      { S: sender },
      { S: randomUUID() },
      { S: JSON.parse(message.Body).id },
      { S: "PENDING" },
    ],
  }));
  const { Responses } = await dynamodb.send(new BatchExecuteStatementCommand({ Statements }));
  return messages.filter((_, place) => {
    const code = Responses[place].Error?.Code;
    return code === undefined || code === "ConditionalCheckFailed";
  });
}

// Writes the outcome of one message, and returns the message if it can be deleted.
async function concludeOne(message) {
  const update = new UpdateItemCommand({
    TableName: `${stack}-messages`,
    Key: { id: { S: JSON.parse(message.Body).id } },
    UpdateExpression:
      "SET #status = :sent, concluded_at = :now, delivery_ms = :took, sender = :sender, attempt = :attempt",
    ConditionExpression: "#status = :pending",
    ExpressionAttributeNames: { "#status": "status" },
    ExpressionAttributeValues: {
      ":sent": { S: "SENT" },
      ":now": { N: `${Date.now()}` },
      ":took": { N: "0" },
      ":sender": { S: sender },
      ":attempt": { S: randomUUID() },
      ":pending": { S: "PENDING" },
    },
  });
  try {
    await dynamodb.send(update);
  } catch (error) {
    if (error.name !== "ConditionalCheckFailedException") throw error;
  }
  return message;
}

let messages = 0;
let last;

// Runs one consumer until it has received no message for a second.
async function consume() {
  const consumer = Consumer.create({
    queueUrl,
    sqs,
    batchSize: 10,
    waitTimeSeconds: 1,
    ...(oneByOne ? { handleMessage: concludeOne } : { handleMessageBatch: conclude }),
  });
  consumer.on("message_processed", () => {
    messages += 1;
  });
  consumer.on("response_processed", () => {
    last = performance.now();
  });
  consumer.on("error", (error) => {
    console.error(`${error.name}: ${error.message}`);
    process.exitCode = 1;
  });
  consumer.on("empty", () => consumer.stop());
  const stopped = once(consumer, "stopped");
  consumer.start();
  await stopped;
}

const start = performance.now();
await Promise.all(Array.from({ length: Number(consumers) }, consume));
console.log(JSON.stringify({ messages, seconds: ((last ?? start) - start) / 1000, requests }));
sqs.destroy();
dynamodb.destroy();
