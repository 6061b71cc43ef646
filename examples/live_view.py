# Appends a message, then shows the conversation as it is and as it grows: python3 examples/live_view.py g:lobby
# Needs python3-grpcio and what protoc makes of the proto, in PYTHONPATH:
#   protoc -Iproto --python_out=gen --plugin=protoc-gen-grpc_python=$(which grpc_python_plugin) \
#     --grpc_python_out=gen paceline/v1/log.proto
import os
import queue
import sys

import grpc
from paceline.v1 import log_pb2 as pl, log_pb2_grpc as rpc

conversation = sys.argv[1] if len(sys.argv) > 1 else "g:lobby"
log = rpc.LogServiceStub(grpc.insecure_channel(os.environ.get("PACELINE_SERVERS", "127.0.0.1:7400").split(",")[0]))
command = pl.AppendCommand(conversation=conversation, sender="py", key=f"py-{os.getpid()}", body=b"hello from Python")
log.Append(pl.AppendRequest(command=command))

requests = queue.SimpleQueue()
requests.put(pl.SubscribeRequest(start=pl.SubscribeStart(conversation=conversation, credits=100)))
for response in log.Subscribe(iter(requests.get, None)):
    for message in response.messages:
        print(message.seq, message.command.sender, message.command.body.decode(), flush=True)
    if response.caught_up:
        print("-- live --", flush=True)
    if response.messages:
        requests.put(pl.SubscribeRequest(credits=len(response.messages)))
