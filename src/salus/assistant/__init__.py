"""The assistant: red flags first, answers from the own record with a citation a sentence, drafts, booking, voice."""
