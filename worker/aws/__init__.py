"""The ports on AWS: SQS and S3 through boto3, the work API through signed HTTP."""
