"""Warns when the temperature of a device rises over the window that its message carries."""


def handler(event, context):
    window = [value for _, value in event["model_data"]["trend_model_data"]]
    newest = event["telemetry"]["OPC温度"]
    slope = (newest - window[0]) / len(window)
    return {
        "device": event["deviceInfo"]["deviceName"],
        "ts": event["telemetry"]["ts"],
        "slope": round(slope, 3),
        "warning": slope > 2,
    }
