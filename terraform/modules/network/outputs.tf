output "egress_subnet_ids" {
  description = "Subnets with a way to the internet; none unless asked for."
  value       = [for subnet in aws_subnet.egress : subnet.id]

  depends_on = [aws_route.egress]
}

output "interface_endpoint_ids" {
  description = "Interface endpoint of each service."
  value       = { for service, endpoint in aws_vpc_endpoint.interface : service => endpoint.id }
}

output "private_subnet_ids" {
  description = "Subnets with no way out, one for each zone."
  value       = [for subnet in aws_subnet.private : subnet.id]

  # Before its routes and endpoints exist, what stands in a subnet reaches nothing.
  depends_on = [aws_route_table_association.private, aws_vpc_endpoint.interface]
}

output "s3_prefix_list_id" {
  description = "Addresses of S3, for rules of security groups."
  value       = aws_vpc_endpoint.s3.prefix_list_id
}

output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}
