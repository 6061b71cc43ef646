# Appends a message, then shows the conversation as it is and as it grows, until Ctrl-C:
# python3 examples/live_view.py g:lobby
# Needs grpcio and what is made of the proto, in PYTHONPATH; README.md, "Use it", says how.
import os
import queue
import sys

import grpc
from paceline.v1 import log_pb2 as pl, log_pb2_grpc as rpc

conversation = sys.argv[1] if len(sys.argv) > 1 else "g:lobby"
# All three of `npm start`: one of them may be down.
servers = os.environ.get("PACELINE_SERVERS", "127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402").split(",")


def connect():
    """To the first that answers."""
    for server in servers:
        channel = grpc.insecure_channel(server)
        try:
            grpc.channel_ready_future(channel).result(timeout=2)
            return channel
        except grpc.FutureTimeoutError:
            channel.close()
    print(f"no server answers: {', '.join(servers)}", file=sys.stderr, flush=True)
    os._exit(1)


def show(log):
    command = pl.AppendCommand(conversation=conversation, sender="py", key=f"py-{os.getpid()}", body=b"hello from Python")
    log.Append(pl.AppendRequest(command=command), timeout=10)

    requests = queue.SimpleQueue()
    requests.put(pl.SubscribeRequest(start=pl.SubscribeStart(conversation=conversation, credits=100)))
    for response in log.Subscribe(iter(requests.get, None)):
        for message in response.messages:
            print(message.seq, message.command.sender, message.command.body.decode(), flush=True)
        if response.caught_up:
            print("-- live --", flush=True)
        if response.messages:
            requests.put(pl.SubscribeRequest(credits=len(response.messages)))


try:
    show(rpc.LogServiceStub(connect()))
except KeyboardInterrupt:
    # The thread that reads `requests` would wait for ever.
    sys.stdout.flush()
    os._exit(0)
except grpc.RpcError as error:
    print(f"{error.code().name}: {error.details()}", file=sys.stderr, flush=True)
    os._exit(1)
