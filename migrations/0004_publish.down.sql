drop function walcast.publish(text, jsonb);
