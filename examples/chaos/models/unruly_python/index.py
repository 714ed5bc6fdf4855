"""Answers every event, unless the event asks it to misbehave."""

import os
import time


def handler(event, context):
    wish = event.get("misbehave")
    if wish == "raise":
        raise ValueError("the event asked for it")
    if wish == "exit":
        os._exit(3)
    if wish == "abort":
        os.abort()
    if wish == "sleep":
        time.sleep(0.3)
    while wish == "hang":
        pass
    return {"device": event["deviceInfo"]["deviceName"], "value": event["telemetry"]["OPC温度"]}
