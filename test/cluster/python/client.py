# Appends one message and reads the conversation: all that a Python client of Paceline needs.
# client.py SERVER CONVERSATION BODY, with the code that protoc generated on PYTHONPATH.
import sys
import grpc
from paceline.v1 import log_pb2, log_pb2_grpc

_, server, conversation, body = sys.argv
log = log_pb2_grpc.LogServiceStub(grpc.insecure_channel(server))
command = log_pb2.AppendCommand(conversation=conversation, sender="python", key=body, body=body.encode())
appended = log.Append(log_pb2.AppendRequest(command=command), timeout=10)
read = log.Read(log_pb2.ReadRequest(conversation=conversation), timeout=10)
print(appended.result.seq, *[message.command.body.decode() for message in read.messages])
